// Live shoppers: each is a little story, told through the unmodified Segment SDK, and remembered in the ledger, which
// knows what the engine must have in the end.

import { createRequire } from 'node:module';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { COUNTRIES, DEVICES, FIRST_NAMES, PRODUCTS, dice, euros } from './catalogue.mjs';

/** How many people the imported log knows: user_0000 to user_0599. Some of them come back. */
const KNOWN = 600;

/** What was sent, by our own count. */
export class Ledger {
  sent = new Map(); // name of event or call -> how many the SDK took
  acknowledged = 0; // how many the engine has acknowledged
  failed = 0;
  misspelt = 0; // sent with a category that the schema does not have: must end in quarantine
  people = new Map(); // user id, or anonymous id of whoever never logged in -> cents spent

  count(name) {
    this.sent.set(name, (this.sent.get(name) ?? 0) + 1);
  }

  get total() {
    return [...this.sent.values()].reduce((sum, count) => sum + count, 0);
  }
}

/** The SDK, twice: in the pages, with their public key, and in the back end. */
export function openShop({ sdk, host, serverKey, ledger }) {
  const { Analytics } = createRequire(join(sdk, 'package.json'))('@segment/analytics-node');
  const client = (writeKey) =>
    new Analytics({ writeKey, host, path: '/v1/batch', flushAt: 15, flushInterval: 100, maxRetries: 10 });
  const pages = client('wk_shop_web');
  const backEnd = client(serverKey);
  const send = (client, call, name, message) => {
    ledger.count(name);
    client[call](message, (error) => (error ? ledger.failed++ : ledger.acknowledged++));
  };
  return {
    page: (who, name) => send(pages, 'page', 'page_viewed', { ...who, name, properties: { path: `/${name.toLowerCase()}` } }),
    track: (who, event, properties) => send(pages, 'track', event, { ...who, event: spoken(event), properties }),
    order: (who, properties) => send(backEnd, 'track', 'order_completed', { ...who, event: 'Order Completed', properties }),
    identify: (who, traits) => send(pages, 'identify', 'identify', { ...who, traits }),
    close: () => Promise.all([pages, backEnd].map((client) => client.closeAndFlush({ timeout: 15_000 }))),
  };
}

/** Half of the shop's trackers write `Product Viewed`, the other half `product_viewed`: both are the same event. */
const spoken = (event) =>
  event.length % 2 ? event : event.split('_').map((word) => word[0].toUpperCase() + word.slice(1)).join(' ');

/** Plays shoppers until `stop` is aborted; resolves when the last one has left. */
export async function play({ shop, ledger, seed, run, stop, arrivals }) {
  const visits = new Set();
  for (let number = 0; !stop.aborted; number++) {
    const visit = visitor({ shop, ledger, run, number, dice: dice(seed * 100_003 + number), stop }).finally(() => visits.delete(visit));
    visits.add(visit);
    await pause(1000 / arrivals, stop);
  }
  await Promise.all(visits);
}

/** One shopper's visit, compressed into seconds. */
async function visitor({ shop, ledger, run, number, dice, stop }) {
  const anonymousId = `anon-${run}-${number}`;
  const device = { device: { type: dice.pick(DEVICES) }, location: { country: dice.pick(COUNTRIES) } };
  let who = { anonymousId, context: device };
  let person = anonymousId;
  let cart = [];
  const cartId = `cart-${run}-${number}`;
  ledger.people.set(person, 0);
  const think = (least = 60, most = 450) => pause(dice.between(least, most), stop);

  const view = async (product) => {
    const misspelt = dice.chance(0.01);
    if (misspelt) ledger.misspelt++;
    const { product_id, name, category, cents } = product;
    shop.track(who, 'product_viewed', { product_id, name, category: misspelt ? 'accesories' : category, price: euros(cents) });
    await think();
  };
  const add = async (product) => {
    const { product_id, category, cents } = product;
    cart.push(product);
    shop.track(who, 'product_added', { cart_id: cartId, product_id, category, price: euros(cents), quantity: 1 });
    await think();
  };
  const logIn = async (userId) => {
    const name = dice.pick(FIRST_NAMES);
    const spent = ledger.people.get(person) + (ledger.people.get(userId) ?? 0);
    ledger.people.delete(person);
    ledger.people.set(userId, spent);
    person = userId;
    who = { ...who, userId };
    shop.identify(who, { email: `${userId.toUpperCase()}@shop.example`, first_name: name, country: device.location.country });
    await think();
  };
  const order = async () => {
    shop.track(who, 'checkout_started', { cart_id: cartId, total: euros(total(cart)) });
    await think();
    shop.track(who, 'payment_details_viewed', { cart_id: cartId });
    await think();
    shop.order(who, { order_id: `order-${run}-${number}-${dice.between(0, 999_999)}`, cart_id: cartId, total: euros(total(cart)), currency: 'EUR' });
    ledger.people.set(person, ledger.people.get(person) + total(cart));
    cart = [];
    await think();
  };
  const total = (products) => products.reduce((sum, product) => sum + product.cents, 0);
  const account = () => (dice.chance(0.2) ? `user_${String(dice.between(0, KNOWN - 1)).padStart(4, '0')}` : `shopper-${run}-${number}`);

  shop.page(who, 'Home');
  await think();
  const stories = {
    async browses() {
      for (let looks = dice.between(4, 9); looks > 0; looks--) await view(dice.pick(PRODUCTS));
    },
    async admires() {
      const product = dice.pick(PRODUCTS);
      for (let looks = 3; looks > 0; looks--) await view(product);
      if (dice.chance(0.4)) shop.track(who, 'product_wishlisted', { product_id: product.product_id });
    },
    async likesItGreen() {
      const green = PRODUCTS.filter((product) => product.category === 'sustainable-fashion');
      for (let looks = dice.between(3, 5); looks > 0; looks--) await view(dice.pick(green));
      if (!dice.chance(0.6)) return;
      await add(dice.pick(green));
      await logIn(account());
      if (dice.chance(0.5)) await order();
    },
    async buys() {
      await logIn(account());
      for (let orders = dice.chance(0.25) ? 3 : 1; orders > 0; orders--) {
        for (let items = dice.between(1, 3); items > 0; items--) {
          const product = dice.pick(PRODUCTS);
          await view(product);
          await add(product);
        }
        await order();
      }
    },
    async hesitates() {
      await view(dice.pick(PRODUCTS));
      await add(dice.pick(PRODUCTS));
      shop.track(who, 'cart_viewed', { cart_id: cartId });
      await pause(dice.between(4500, 7000), stop); // long enough to be `cart_going_cold`
      if (dice.chance(0.5) && !stop.aborted) await order();
    },
    async hasTrouble() {
      await logIn(account());
      await add(dice.pick(PRODUCTS));
      shop.track(who, 'payment_failed', { cart_id: cartId, reason: 'refused' });
      await think();
      shop.track(who, 'error_shown', { message: 'payment provider timed out', path: '/checkout' });
      await think(800, 1500);
      if (dice.chance(0.5)) shop.track(who, 'support_chat_opened', { topic: 'payment' });
      else await order();
    },
    async changesDevice() {
      await view(dice.pick(PRODUCTS));
      await logIn(account());
      // The same account on another device, whose history was anonymous until now.
      const phone = `${anonymousId}-phone`;
      shop.track({ anonymousId: phone, context: { device: { type: 'mobile' } } }, 'products_searched', { query: 'scarf', results: 3 });
      await think();
      who = { anonymousId: phone, userId: who.userId, context: { device: { type: 'mobile' } } };
      shop.identify(who, { country: device.location.country });
      await view(dice.pick(PRODUCTS));
    },
  };
  const story = dice.pick(['browses', 'browses', 'admires', 'likesItGreen', 'likesItGreen', 'buys', 'buys', 'hesitates', 'hesitates', 'hasTrouble', 'changesDevice']);
  await stories[story]();
}

/** Sleeps, but no longer than the demo. A story goes on after `stop`, only without its pauses: nothing is left half-told. */
async function pause(millis, stop) {
  if (stop.aborted) return;
  await sleep(millis, undefined, { signal: stop }).catch(() => {});
}
