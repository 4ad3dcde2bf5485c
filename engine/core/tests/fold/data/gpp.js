// Makes gpp.json: GPP strings of @iabgpp/cmpapi 3.2.0, and what is refused in each section.
// npm install @iabgpp/cmpapi@3.2.0 && node gpp.js > gpp.json
const gpp = require("@iabgpp/cmpapi");
const random = (seed => () => (seed = (seed * 1103515245 + 12345) % 2147483648) / 2147483648)(11);
const pick = n => Math.floor(random() * n);
const states = ["usnat", "usca", "usva", "usco", "usut", "usct", "usfl", "usmt", "usor", "ustx", "usde", "usia", "usne", "usnh", "usnj",
  "ustn", "usmn", "usmd", "usin", "usky", "usri"];
const cases = [];
for (let n = 0; n < 120; n++) {
  const model = new gpp.GppModel();
  const sections = {};
  const has = (section, field) => { try { model.getFieldValue(section, field); return true; } catch { return false; } };
  const set = (section, field, value) => { try { model.setFieldValue(section, field, value); return value; } catch { return undefined; } };
  for (const section of states) {
    if (random() > 0.15 && n % states.length !== states.indexOf(section)) continue;
    if (set(section, "SaleOptOut", pick(3)) === undefined) continue;
    const it = { sale: model.getFieldValue(section, "SaleOptOut") === 1 };
    it.targeting = [set(section, "SharingOptOut", pick(3)), set(section, "TargetedAdvertisingOptOut", pick(3))].includes(1);
    for (const notice of ["SharingNotice", "ProcessingNotice", "SaleOptOutNotice", "SharingOptOutNotice", "TargetedAdvertisingOptOutNotice"]) {
      set(section, notice, pick(3));
    }
    const listed = has(section, "SensitiveDataProcessing");
    if (listed) {
      const chosen = model.getFieldValue(section, "SensitiveDataProcessing").map(() => (random() < 0.9 ? 2 * pick(2) : 1));
      set(section, "SensitiveDataProcessing", chosen);
      it.sensitive = chosen.includes(1);
    } else it.sensitive = false;
    if (has(section, "KnownChildSensitiveDataConsents")) {
      const known = model.getFieldValue(section, "KnownChildSensitiveDataConsents");
      set(section, "KnownChildSensitiveDataConsents", Array.isArray(known) ? known.map(() => pick(3)) : pick(3));
    }
    const gpc = random() < 0.3;
    it.signal = has(section, "Gpc") && set(section, "Gpc", gpc) === true;
    sections[section] = it;
  }
  if (n % 4 === 0) {
    const chosen = "NY-"[pick(3)];
    for (const field of ["Version", "Notice", "OptOutSale", "LspaCovered"]) set("uspv1", field, field === "Version" ? 1 : field === "OptOutSale" ? chosen : "N");
    sections.uspv1 = { sale: chosen === "Y", targeting: false, sensitive: false, signal: false };
  }
  const purposes = section => {
    const all = [];
    for (let id = 1; id <= 24; id++) all.push(random() < 0.5);
    return all;
  };
  if (n % 3 === 0) {
    const all = purposes();
    set("tcfeuv2", "PurposeConsents", all);
    set("tcfeuv2", "VendorListVersion", 48);
    sections.tcfeuv2 = { tcf: all.flatMap((yes, at) => (yes ? [at + 1] : [])) };
  }
  if (n % 5 === 0) {
    const [express, implied] = [purposes(), purposes()];
    set("tcfcav1", "PurposesExpressConsent", express);
    set("tcfcav1", "PurposesImpliedConsent", implied);
    sections.tcfcav1 = { tcf: express.flatMap((yes, at) => (yes || implied[at] ? [at + 1] : [])) };
  }
  const text = model.encode();
  new gpp.GppModel(text).getSectionIds();
  const ids = Object.fromEntries(Object.keys(sections).map(name => [name, [...gpp.Sections.SECTION_ID_NAME_MAP].find(([, it]) => it === name)[0]]));
  cases.push({ text, sections: Object.fromEntries(Object.entries(sections).map(([name, it]) => [ids[name], it])) });
}
console.log("[\n" + cases.map(it => JSON.stringify(it)).join(",\n") + "\n]");
