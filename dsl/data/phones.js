// Makes phones.txt, the numbering plans of all countries, and phones_examples.txt, numbers as they are written there, of
// libphonenumber-js 1.13.16 (MIT), whose data is that of libphonenumber (Apache-2.0).
// npm install libphonenumber-js@1.13.16 && node phones.js
const fs = require("fs");
const { Metadata, parsePhoneNumber } = require("libphonenumber-js/core");
const data = require("libphonenumber-js/metadata.max.json");
const examples = require("libphonenumber-js/examples.mobile.json");
const metadata = new Metadata(data);
const text = value => (value && value !== 0 ? String(value) : "");
const plain = pattern => text(pattern).replaceAll("\\d", "[0-9]");
const lines = [
  "# Numbering plans: country, calling code, prefix to dial abroad, lengths of national numbers, national prefix as a pattern, what takes its",
  "# place, pattern of national numbers. Of countries with one calling code the main one comes first; `001` is of no country.",
  `# Data of libphonenumber (Apache-2.0), as of libphonenumber-js 1.13.16.`,
];
const row = (name, plan, code) => lines.push([name, code, plain(plan.IDDPrefix()), plan.possibleLengths().join(","),
  plain(plan.nationalPrefixForParsing()), text(plan.nationalPrefixTransformRule()), plain(plan.nationalNumberPattern())].join("\t"));
for (const [code, countries] of Object.entries(data.country_calling_codes)) {
  for (const country of countries) {
    metadata.selectNumberingPlan(country);
    row(country, metadata.numberingPlan, code);
  }
}
for (const code of Object.keys(data.nonGeographic)) {
  metadata.selectNumberingPlan(code);
  row("001", metadata.numberingPlan, code);
}
fs.writeFileSync("phones.txt", lines.join("\n") + "\n");

const written = ["# Numbers as they are written: where, how, and what they are."];
for (const [country, national] of Object.entries(examples)) {
  const number = parsePhoneNumber(national, country, data);
  if (!number.isValid()) throw new Error(`${country} ${national}`);
  const ways = new Set([national, number.formatNational(), number.formatInternational(), number.number.slice(1), number.getURI(),
    number.formatInternational().replaceAll(" ", "-"), `00${number.number.slice(1)}`]);
  for (const way of ways) {
    // What the library itself reads in another way is left out, and so are letters.
    let read;
    try { read = parsePhoneNumber(way, country, data); } catch { continue; }
    if (read.number === number.number && !/[a-z]/i.test(way.replace("tel:", ""))) written.push([country, way, number.number].join("\t"));
  }
}
fs.writeFileSync("phones_examples.txt", written.join("\n") + "\n");
