// What the shop sells, and dice that fall the same way for the same seed.

const CATEGORIES = ['sustainable-fashion', 'shoes', 'coats', 'accessories', 'home-living'];
const NAMES = {
  'sustainable-fashion': ['Linen shirt', 'Hemp trousers', 'Recycled fleece', 'Organic tee', 'Cork belt'],
  shoes: ['Trail runner', 'Chelsea boot', 'Canvas sneaker', 'Sandal'],
  coats: ['Rain coat', 'Wool coat', 'Parka', 'Down jacket'],
  accessories: ['Scarf', 'Tote bag', 'Beanie', 'Umbrella', 'Watch strap'],
  'home-living': ['Wool throw', 'Candle', 'Vase', 'Reading lamp'],
};

/** Every product; prices are whole cents until they are sent. */
export const PRODUCTS = CATEGORIES.flatMap((category, shelf) =>
  NAMES[category].map((name, place) => ({
    product_id: `SKU-${shelf + 1}${String(place + 1).padStart(2, '0')}`,
    name,
    category,
    cents: 995 + 1310 * place + 745 * shelf,
  })),
);

export const FIRST_NAMES = ['Ann', 'Bo', 'Chi', 'Dora', 'Emre', 'Femke', 'Goran', 'Hana', 'Idris', 'Jo', 'Kai', 'Lotte'];
export const COUNTRIES = ['NL', 'NL', 'NL', 'BE', 'DE', 'FR'];
export const DEVICES = ['mobile', 'mobile', 'desktop', 'desktop', 'tablet'];

/** A price or a total as it is sent: euros, exact to the cent. */
export const euros = (cents) => Number((cents / 100).toFixed(2));

/** Dice: mulberry32, seeded. */
export function dice(seed) {
  let state = seed >>> 0;
  const next = () => {
    state = (state + 0x6d2b79f5) >>> 0;
    let mixed = Math.imul(state ^ (state >>> 15), state | 1);
    mixed ^= mixed + Math.imul(mixed ^ (mixed >>> 7), mixed | 61);
    return ((mixed ^ (mixed >>> 14)) >>> 0) / 4294967296;
  };
  return {
    chance: (probability) => next() < probability,
    between: (least, most) => least + Math.floor(next() * (most - least + 1)),
    pick: (list) => list[Math.floor(next() * list.length)],
  };
}
