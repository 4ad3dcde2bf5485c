// Makes tcf.json: TC strings of @iabtcf/core 1.5.6, and the purposes that they consent to.
// npm install @iabtcf/core@1.5.6 && node tcf.js > tcf.json
const { TCModel, TCString, Segment } = require("@iabtcf/core");
const { SegmentEncoder } = require("./node_modules/@iabtcf/core/lib/cjs/encoder/SegmentEncoder.js");
const random = (seed => () => (seed = (seed * 1103515245 + 12345) % 2147483648) / 2147483648)(7);
const cases = [];
for (let n = 0; n < 40; n++) {
  const model = new TCModel();
  model.cmpId = 2 + Math.floor(random() * 400);
  model.cmpVersion = 1 + Math.floor(random() * 100);
  model.consentScreen = Math.floor(random() * 60);
  model.consentLanguage = ["EN", "NL", "DE", "FR"][n % 4];

  model.policyVersion = 5;
  model.isServiceSpecific = n % 2 === 0;
  const purposes = [];
  for (let id = 1; id <= 24; id++) if (random() < n / 39) { model.purposeConsents.set(id); purposes.push(id); }
  for (let id = 1; id <= 24; id++) if (random() < 0.5) model.purposeLegitimateInterests.set(id);
  for (let i = 0; i < n * 5; i++) { model.vendorConsents.set(1 + Math.floor(random() * 1200)); model.vendorsDisclosed.set(1 + Math.floor(random() * 1200)); }
  model.version = 2; model.created = new Date(1772323200000); model.lastUpdated = model.created;
  const segments = n % 3 ? [Segment.CORE, Segment.VENDORS_DISCLOSED] : [Segment.CORE];
  const text = segments.map(it => SegmentEncoder.encode(model, it)).join(".");
  const back = TCString.decode(text);
  const read = []; for (let id = 1; id <= 24; id++) if (back.purposeConsents.has(id)) read.push(id);
  if (JSON.stringify(read) !== JSON.stringify(purposes)) throw new Error("not read back");
  cases.push({ text, purposes });
}
console.log("[\n" + cases.map(it => JSON.stringify(it)).join(",\n") + "\n]");
