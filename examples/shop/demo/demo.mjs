// The demo: a CRM that listens, the engine, the imported past, live shoppers. See run.sh.
//
// On a terminal it shows what happens until Ctrl-C, and keeps its data: the next start recovers and goes on. Elsewhere it
// begins with an empty data directory, plays for 20 seconds, holds all sums against each other, starts the engine a second
// time to see that nothing was forgotten, and exits with 0 only if everything is as it should be.

import { setMaxListeners } from 'node:events';
import { cpSync, mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { fileURLToPath } from 'node:url';
import { parseArgs } from 'node:util';
import { checkSums, rowsOf, table, until } from './check.mjs';
import { Display, Picture, percentile } from './display.mjs';
import { isFree, runImport, startEngine } from './engine.mjs';
import { MAIL_TOKEN, PORT, SECRET, startReceiver } from './receiver.mjs';
import { Ledger, openShop, play } from './shoppers.mjs';

const HERE = dirname(fileURLToPath(import.meta.url));
const SHOP = dirname(HERE);
const CACHE = join(process.env.SONDER_CACHE, 'demo');
const HISTORY = join(SHOP, 'data', 'ecom.csv.gz');
const MAPPING = join(SHOP, 'data', 'ecom.mapping.yaml');
const SERVER_KEY = process.env.SHOP_SERVER_KEY ?? 'sk_shop_server';
const RECOVERY_LIMIT_MS = 1000;

const { values: options } = parseArgs({
  options: {
    seconds: { type: 'string' },
    seed: { type: 'string', default: '7' },
    arrivals: { type: 'string', default: '5' },
    check: { type: 'boolean', default: false },
    fresh: { type: 'boolean', default: false },
    help: { type: 'boolean', default: false },
  },
});
if (options.help) {
  console.log(`run.sh [--check] [--seconds N] [--seed N] [--arrivals N] [--fresh]
  --check       as when the output is no terminal: an empty data directory, 20 seconds, all sums checked
  --seconds N   how long live shoppers are played (default: until Ctrl-C; 20 with --check)
  --seed N      other shoppers (default 7)
  --arrivals N  how many come in a second (default 5)
  --fresh       forget what an earlier demo left`);
  process.exit(0);
}

const checking = options.check || !process.stdout.isTTY;
const seconds = Number(options.seconds ?? (checking ? 20 : 1e6));
const display = new Display(process.stdout);
const stop = new AbortController();
setMaxListeners(0, stop.signal); // every shopper listens
let interrupts = 0;
for (const signal of ['SIGINT', 'SIGTERM']) {
  process.on(signal, () => {
    stop.abort();
    if (++interrupts > 1) process.exit(130);
  });
}
process.exitCode = await main().catch((error) => {
  display.close();
  console.error(`\nthe demo failed: ${error.message}`);
  return 1;
});
process.exit();

async function main() {
  mkdirSync(CACHE, { recursive: true });
  const data = checking ? mkdtempSync(join(CACHE, 'check-')) : join(CACHE, 'data');
  if (options.fresh && !checking) rmSync(data, { recursive: true, force: true });
  mkdirSync(data, { recursive: true });

  const picture = new Picture();
  const receiver = await startReceiver({ port: (await isFree(PORT)) ? PORT : 0, heard: (call) => hear(picture, call) });
  const project = projectFor(receiver.port, data);
  const start = () => startEngine({ project, data, env: { SHOP_CRM_SECRET: SECRET, SHOP_MAIL_TOKEN: MAIL_TOKEN, SHOP_SERVER_KEY: SERVER_KEY } });
  let engine = await start();
  picture.since = Date.now();
  display.say(started(engine, await engine.read('/status')));

  const [{ n: known }] = await engine.query("select count(*) as n from log where source = 'history'");
  const rows = rowsOf(HISTORY).length;
  if (known < rows) {
    const began = performance.now();
    await runImport({ url: engine.url, file: HISTORY, mapping: MAPPING, progress: (line) => display.isTerminal && !checking && display.say(`  ${line}`) });
    const took = performance.now() - began;
    display.say(`imported ${rows.toLocaleString('en-US')} events of a real shop's log in ${(took / 1000).toFixed(1)} s (${Math.round((rows / took) * 1000).toLocaleString('en-US')} a second)`);
  }

  const ledger = new Ledger();
  const run = checking ? 'check' : Date.now().toString(36);
  const shop = openShop({ sdk: join(CACHE, 'sdk'), host: engine.url, serverKey: SERVER_KEY, ledger });
  display.say(`live shoppers come in through @segment/analytics-node, the CRM listens on port ${receiver.port}`);
  display.say(`API: ${engine.url}/api/docs · segments: ${engine.url}/api/v1/segments`);
  const watching = watch({ engine, picture, ledger, receiver });
  const clock = setTimeout(() => stop.abort(), Math.min(seconds * 1000, 2 ** 31 - 1));
  await play({ shop, ledger, seed: Number(options.seed), run, stop: stop.signal, arrivals: Number(options.arrivals) });
  clearTimeout(clock);

  await shop.close();
  watching.end();
  display.close();
  const fresh = known === 0;
  if (checking || fresh) {
    const sums = await checkSums({ engine, receiver, ledger, historyFile: HISTORY, destination: 'crm', receives: receivedBy(project) });
    const restart = checking ? await startAgain({ engine, start }) : { sums: [], said: '' };
    if (!checking) await engine.stop();
    receiver.close();
    const all = [...sums, ...restart.sums];
    console.log(`\n${summary(picture, ledger, receiver)}\n${restart.said}\n${table(all)}`);
    const ok = all.every((sum) => sum.holds);
    if (ok && checking) rmSync(data, { recursive: true, force: true });
    console.log(ok ? '\neverything adds up' : `\nthe numbers do not add up; the data is in ${data}`);
    return ok ? 0 : 1;
  }
  await until(async () => (await engine.read('/status')).lag.undelivered === 0);
  await engine.stop();
  receiver.close();
  console.log(`\n${summary(picture, ledger, receiver)}\n\nthe data is kept in ${data}; run the demo again, and it goes on from there`);
  return 0;
}

/** The second start: nothing forgotten, and at once. */
async function startAgain({ engine, start }) {
  const before = await engine.query('select count(*) as events from log');
  const code = await engine.stop();
  const again = await start();
  const status = await again.read('/status');
  const after = await again.query('select count(*) as events from log');
  const sums = [
    { what: 'the engine ended in good order', expected: 0, found: code, holds: code === 0 },
    { what: 'events after a restart', expected: before[0].events, found: after[0].events, holds: after[0].events === before[0].events },
    {
      what: `ready again within ${RECOVERY_LIMIT_MS} ms`,
      expected: `< ${RECOVERY_LIMIT_MS}`,
      found: `${again.startedIn.toFixed(0)}`,
      holds: again.startedIn < RECOVERY_LIMIT_MS,
    },
  ];
  await again.stop();
  return { sums, said: `the second start: ${started(again, status)}\n` };
}

function started(engine, { version, people, log, recovery }) {
  const at = `sonder ${version} on ${engine.url}, ready in ${engine.startedIn.toFixed(0)} ms`;
  if (!recovery || log.seq === 0) return at;
  const { people: loaded, records, millis } = recovery;
  return `${at}; recovered ${people.toLocaleString('en-US')} people in ${millis.toFixed(0)} ms (${loaded.toLocaleString('en-US')} from the checkpoint, ${records.toLocaleString('en-US')} records refolded)`;
}

/** The shop itself, so that editing it while the demo runs has its effect; a copy where the CRM's port is taken. */
function projectFor(port, data) {
  if (port === PORT) return SHOP;
  const copy = join(data, 'project');
  cpSync(SHOP, copy, { recursive: true, filter: (path) => !path.startsWith(join(SHOP, 'demo')) && !path.startsWith(join(SHOP, 'data')) });
  for (const name of ['crm', 'mail', 'storefront']) {
    const file = join(copy, 'destinations', `${name}.yaml`);
    writeFileSync(file, readFileSync(file, 'utf8').replaceAll(`:${PORT}`, `:${port}`));
  }
  return copy;
}

/** The segments and traits that the CRM hears of, as destinations/crm.yaml lists them. */
function receivedBy(project) {
  const text = readFileSync(join(project, 'destinations', 'crm.yaml'), 'utf8');
  const segments = [...text.matchAll(/^ {4}- (\w+)$/gm)].map(([, name]) => name);
  const traits = text.match(/^ {2}traits: \[(.*)\]$/m)?.[1].split(/,\s*/) ?? [];
  return [...segments, ...traits];
}

/** A call reached the CRM, the storefront or the mail service. */
function hear(picture, { type, timestamp, data }) {
  const millis = Math.max(0, Date.now() - Date.parse(timestamp));
  picture.calls++;
  // What came true while the engine was down is told late, and says when it was true.
  if (Date.parse(timestamp) >= picture.since) picture.lag = [...picture.lag.slice(-1999), millis];
  if (type === 'trait.changed') return;
  const known = data.person.find(({ kind }) => kind === 'email') ?? data.person.find(({ kind }) => kind === 'user_id') ?? data.person[0];
  const person = known ? `${known.kind}:${known.value}` : '';
  picture.feed = [...picture.feed.slice(-49), { at: new Date().toISOString().slice(11, 19), type, name: data.name, person, millis }];
  if (!type.startsWith('segment.')) return;
  const segment = picture.segments.get(data.name) ?? { size: 0, entered: 0, left: 0 };
  segment[type === 'segment.entered' ? 'entered' : 'left']++;
  picture.segments.set(data.name, segment);
}

/** Keeps the picture up to date, and shows it, until `end` is called. */
function watch({ engine, picture, ledger, receiver }) {
  const drawing = display.isTerminal && !checking;
  picture.title = 'shop demo';
  picture.url = engine.url;
  let ended = false;
  let before = { at: performance.now(), sent: 0 };
  let told = performance.now();
  const look = async () => {
    const [status, { segments }] = await Promise.all([engine.read('/status'), engine.read('/segments')]);
    Object.assign(picture, {
      stage: `${status.stage} · ${status.project} ${status.fingerprint.slice(0, 8)}`,
      events: status.log.seq,
      seq: status.log.folded_seq,
      people: status.people,
      quarantined: status.log.quarantined,
      undelivered: status.lag.undelivered,
    });
    for (const { name, size } of segments) {
      picture.segments.set(name, { entered: 0, left: 0, ...picture.segments.get(name), size });
    }
    const shopper = [...ledger.people.keys()].findLast((person) => !person.startsWith('anon-'));
    if (shopper) picture.example = `${engine.url}/api/v1/people/user_id:${shopper}`;
  };
  const tick = async () => {
    while (!ended) {
      const now = performance.now();
      const rate = (ledger.total - before.sent) / ((now - before.at) / 1000);
      picture.rates = [...picture.rates.slice(-59), rate];
      before = { at: now, sent: ledger.total };
      await look().catch((error) => (picture.stage = error.message));
      if (ended) return;
      if (drawing) display.draw(picture);
      else if (now - told > 5000) {
        told = now;
        console.log(line(picture, receiver));
      }
      await sleep(250);
    }
  };
  const ticking = tick();
  return { end: () => ((ended = true), ticking) };
}

function line({ events, people, lag }, { calls }) {
  const [e, p] = [events, people].map((count) => count.toLocaleString('en-US'));
  return `  ${e} events · ${p} people · ${calls.size} deliveries · lag p50 ${percentile(lag, 0.5)} ms, p99 ${percentile(lag, 0.99)} ms`;
}

function summary({ lag, segments }, ledger, receiver) {
  const moved = [...segments.values()].reduce((sum, { entered, left }) => [sum[0] + entered, sum[1] + left], [0, 0]);
  return [
    `${ledger.total.toLocaleString('en-US')} live calls of ${ledger.people.size.toLocaleString('en-US')} shoppers`,
    `${moved[0]} entries, ${moved[1]} exits and ${receiver.calls.size - moved[0] - moved[1]} traits reached the CRM (${receiver.counts.repeated} calls were repeated)`,
    `from decision to the CRM: p50 ${percentile(lag, 0.5)} ms, p99 ${percentile(lag, 0.99)} ms`,
  ].join('\n');
}
