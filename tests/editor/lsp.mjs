// What an editor and `sonder lsp` say to each other. `node --test lsp.mjs`, with SONDER_PROJECT a copy of `project/` that an
// engine runs and in which one person has bought.

import assert from "node:assert/strict";
import { spawnSync } from "node:child_process";
import { cpSync, mkdtempSync, realpathSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { after, before, test } from "node:test";
import { Editor, edited } from "./client.mjs";

const RULES = "rules/mine.sonder";
const project = process.env.SONDER_PROJECT;

let editor;
before(async () => (editor = await Editor.open(project)));
after(async () => assert.equal(await editor.quit(), 0, "the server ends in good order"));

/** A project that a test may change on disk. */
function copy(context) {
  const folder = realpathSync(mkdtempSync(join(tmpdir(), "sonder-editor-")));
  context.after(() => rmSync(folder, { recursive: true }));
  cpSync(join(import.meta.dirname, "project"), folder, { recursive: true });
  return folder;
}

const labels = (items) => items.map((item) => item.label);
const written = async (path, text) => {
  await editor.edit(path, text);
  return text;
};

test("says what it can do, and asks to be told of files", async () => {
  assert.equal(editor.server.serverInfo.name, "sonder");
  const { capabilities } = editor.server;
  const provided = Object.keys(capabilities).filter((name) => capabilities[name]).sort();
  assert.deepEqual(provided, [
    "codeActionProvider",
    "completionProvider",
    "definitionProvider",
    "documentSymbolProvider",
    "foldingRangeProvider",
    "hoverProvider",
    "referencesProvider",
    "renameProvider",
    "textDocumentSync",
  ]);
  const [watch, format] = await editor.registered;
  assert.equal(watch.method, "workspace/didChangeWatchedFiles");
  assert.equal(format.method, "textDocument/formatting");
  assert.deepEqual(format.registerOptions.documentSelector, [{ pattern: "**/*.sonder" }]);
});

test("an editor that can't be asked for more is served as well", async (context) => {
  const other = await Editor.open(copy(context), { dynamic: false });
  assert.equal(other.server.capabilities.documentFormattingProvider, true);
  await other.edit(RULES, "segment s { when did(ordr) }");
  await other.wrong(RULES, ["E0201"]);
  assert.equal(await other.quit(), 0);
});

test("a mistake is shown while it is typed, and goes when it is mended", async () => {
  await editor.edit(RULES, "segment s {\n  when did(ordr)\n}\n");
  const [found] = await editor.wrong(RULES, ["E0201"]);
  assert.deepEqual(found.range, { start: { line: 1, character: 11 }, end: { line: 1, character: 15 } });
  assert.match(found.message, /`ordr` is not an event[^]*did you mean `order`\?/);
  assert.equal(found.source, "sonder");
  await editor.type(RULES, 1, 11, 15, "order");
  await editor.wrong(RULES, []);
  const last = editor.told.filter((told) => told.uri === editor.uri(RULES)).at(-1);
  assert.equal(last.version, editor.versions.get(RULES), "what is said is about this version of the text");
});

test("places behind letters of two UTF-16 units are right", async () => {
  await editor.edit(RULES, '# 😀\nsegment s "😀é" { when did(ordr) }\n');
  const [found] = await editor.wrong(RULES, ["E0201"]);
  assert.deepEqual(found.range.start, { line: 1, character: 27 });
  await editor.type(RULES, 1, 27, 31, "order");
  await editor.wrong(RULES, []);
});

test("an edit of YAML is felt in the rules, before it is saved", async () => {
  await editor.edit(RULES, 'segment s { when did(order where state == "paid") }\n');
  await editor.show("events/order.yaml");
  await editor.wrong(RULES, []);
  await editor.edit("events/order.yaml", editor.texts.get("events/order.yaml").replace("[paid, open]", "[payed, open]"));
  const [found] = await editor.wrong(RULES, ["E0204"]);
  assert.match(found.message, /it is "payed", "open"/);
  await editor.close("events/order.yaml");
  await editor.wrong(RULES, []);
});

test("a mistake in YAML, in a scenario, in an example of a schema", async () => {
  await editor.edit("events/new.yaml", "event: new\npropertys: {}\n");
  await editor.wrong("events/new.yaml", ["E0401"]);
  await editor.edit("events/new.yaml", "event: new\nproperties: {n: {type: integer, examples: [x]}}\n");
  const [example] = await editor.wrong("events/new.yaml", ["E0440"]);
  assert.match(example.message, /expected type `integer`/);
  await editor.close("events/new.yaml");
  await editor.wrong("events/new.yaml", []);
  await editor.edit("tests/buys.yaml", "scenario: x\nsteps:\n  - at: 09:00\n    expect: {segments: [byers]}\n");
  const [scenario] = await editor.wrong("tests/buys.yaml", ["E0430"]);
  assert.match(scenario.message, /did you mean `buyers`\?/);
  await editor.close("tests/buys.yaml");
  await editor.wrong("tests/buys.yaml", []);
});

test("what may be typed", async () => {
  const offered = async (path, text) => labels(await editor.ask("completion", path, text));
  const cases = [
    [RULES, "segment s { when did($0", ["order", "view"], ["total"]],
    [RULES, "segment s { when did(order where $0", ["total", "state", "context"], ["product", "spent"]],
    [RULES, 'segment s { when did(order where state == "$0', ["paid", "open"], ["NL"]],
    [RULES, "segment s { when sp$0", ["spent", "count", "sequence"], ["buyers"]],
    [RULES, "segment s { when in($0", ["buyers"], ["spent"]],
    [RULES, "segment s { when profile.$0", ["country"], ["spent"]],
    [RULES, "segment s { purpose $0", ["marketing"], []],
    ["destinations/crm.yaml", "destination: crm\n$0", ["plugin", "receives"], ["event"]],
    ["events/view.yaml", "event: view\nproperties:\n  a: {type: $0", ["string", "integer"], []],
  ];
  for (const [path, text, there, absent] of cases) {
    const found = await offered(path, text);
    there.forEach((label) => assert.ok(found.includes(label), `${label} is offered at ${text}: ${found}`));
    absent.forEach((label) => assert.ok(!found.includes(label), `${label} is not offered at ${text}`));
  }
  const total = (await editor.ask("completion", RULES, "trait t = sum(order.$0")).find((item) => item.label === "total");
  assert.match(total.detail, /exact number/);
  assert.match(total.documentation.value, /With taxes/);
  await editor.close("destinations/crm.yaml");
  await editor.close("events/view.yaml");
});

test("hovers say type, meaning, owner, and how many people are in it now", async () => {
  const hover = async (text) => (await editor.ask("hover", RULES, text))?.contents.value;
  const total = await hover("trait t = sum(order.to$0tal)\n");
  for (const part of ["an exact number, 2 digits after the point", "With taxes", "owner: checkout"]) {
    assert.ok(total.includes(part), total);
  }
  const buyers = await hover("segment s { when in(buy$0ers) }\n");
  assert.match(buyers, /Bought[^]*did\(order\)[^]*rules\/base\.sonder:1[^]*\*\*1\*\* person now/);
  assert.match(await hover("segment s { when cou$0nt(order) > 1 }\n"), /count\(E\)/);
  assert.equal(await hover("segment s { wh$0en did(order) }\n"), undefined);
});

test("without an engine that answers, hovers say the rest", async (context) => {
  const folder = copy(context);
  for (const [flags, options] of [[[], { sonder: { url: "http://127.0.0.1:1" } }], [["--url", "http://127.0.0.1:1"]], [[]]]) {
    const other = await Editor.open(folder, { flags, options });
    const found = await other.ask("hover", RULES, "segment s { when in(buy$0ers) }\n");
    assert.match(found.contents.value, /Bought/);
    assert.doesNotMatch(found.contents.value, /now/);
    assert.equal(await other.quit(), 0);
  }
});

test("definitions, references", async () => {
  const place = ({ uri, range }) => `${uri.slice(editor.uri("").length + 1)}:${range.start.line}:${range.start.character}`;
  const defined = await editor.ask("definition", RULES, "segment s { when in(buy$0ers) }\n");
  assert.equal(place(defined), "rules/base.sonder:0:8");
  const property = await editor.ask("definition", RULES, "trait t = sum(order.to$0tal)\n");
  assert.equal(place(property), "events/order.yaml:5:2");
  const context = { includeDeclaration: true };
  const used = await editor.ask("references", RULES, "segment s { when in(buy$0ers) }\n", { context });
  assert.deepEqual(used.map(place), [
    "destinations/crm.yaml:6:13",
    "rules/base.sonder:0:8",
    "rules/mine.sonder:0:20",
    "tests/buys.yaml:4:24",
    "tests/buys.yaml:4:87",
  ]);
});

test("a new name is written everywhere, and the project still compiles", async (context) => {
  const other = await Editor.open(copy(context));
  const text = "segment s { when in(buy$0ers) and did(order where total > 1) }\n";
  const prepared = await other.ask("prepareRename", RULES, text);
  assert.equal(prepared.placeholder, "buyers");
  const { changes } = await other.ask("rename", RULES, text, { newName: "customers" });
  assert.equal(Object.keys(changes).length, 4);
  for (const path of ["destinations/crm.yaml", "rules/base.sonder", "tests/buys.yaml"]) await other.show(path);
  for (const path of [...other.texts.keys()]) {
    await other.edit(path, edited(other.texts.get(path), changes[other.uri(path)]));
  }
  assert.match(other.texts.get("tests/buys.yaml"), /segments: \[customers\][^]*crm.segment_entered: customers/);
  const again = await other.ask("hover", RULES, "segment s { when in(custo$0mers) }\n");
  assert.match(again.contents.value, /Bought/);
  assert.deepEqual([...other.shown.values()].flat(), []);
  await assert.rejects(other.ask("rename", RULES, text.replace("buy$0ers", "cust$0omers"), { newName: "where" }), /would not compile/);
  assert.equal(await other.quit(), 0);
});

test("formatting, folding, outline", async () => {
  const options = { tabSize: 2, insertSpaces: true };
  const text = await written(RULES, "# one\n# two\nsegment   s {when did( order )\n and not did(view) }\n");
  const [edit, ...more] = await editor.request("formatting", RULES, { options });
  assert.deepEqual(more, []);
  const formatted = edited(text, [edit]);
  assert.equal(formatted, "# one\n# two\nsegment s {\n  when did(order) and not did(view)\n}\n");
  await editor.edit(RULES, formatted);
  assert.deepEqual(await editor.request("formatting", RULES, { options }), []);
  const folds = await editor.request("foldingRange", RULES);
  assert.deepEqual(folds.map((fold) => [fold.startLine, fold.endLine, fold.kind]), [[0, 1, "comment"], [2, 4, undefined]]);
  const [symbol] = await editor.request("documentSymbol", RULES);
  assert.deepEqual([symbol.name, symbol.detail], ["s", "segment"]);
});

test("a mistake with one way out has a quick fix", async () => {
  const text = await written(RULES, "segment s { when did(ordr) }\n");
  const [diagnostic] = await editor.wrong(RULES, ["E0201"]);
  const [fix] = await editor.request("codeAction", RULES, { range: diagnostic.range, context: { diagnostics: [diagnostic] } });
  assert.equal(fix.title, "replace with `order`");
  assert.equal(edited(text, fix.edit.changes[editor.uri(RULES)]), "segment s { when did(order) }\n");
});

test("what is shown is what `sonder check` says, after whatever edits", async (context) => {
  const folder = copy(context);
  const other = await Editor.open(folder);
  const texts = {
    "rules/base.sonder": ["segment buyers { when did(ordr) }\n\ntrait spent = sum(order.total)\n", "trait spent = sum(order.totl) and\n", "segment buyers { when did(order) }\ntrait spent = 3 + sum(order.total)\n"],
    "rules/mine.sonder": ["", "segment b { when in(buyers }\n", "segment buyers { when spent > 3 }\n"],
    "events/order.yaml": ["event: order\nproperties: {total: {type: string}}\n", "event: order\n  bad\n", "event: view\n", "event: order\nproperties: {total: {type: number, examples: [x]}}\n"],
    "tests/buys.yaml": ["scenario: x\nsteps:\n  - at: 09:00\n    expect: {segments: [byers]}\n", "scenario: x\n"],
    "destinations/crm.yaml": ["destination: crm\nplugin: sonder/webhook@1\nreceives: {segments: [sellers]}\n"],
  };
  // A random walk, the same each time.
  let seed = 7;
  const random = (below) => (seed = (seed * 48271) % 2147483647) % below;
  for (let edit = 0; edit < 40; edit++) {
    const path = Object.keys(texts)[random(5)];
    const text = texts[path][random(texts[path].length)];
    await other.edit(path, text);
    writeFileSync(join(folder, path), text);
    await other.request("documentSymbol", path);
    const shown = [...other.shown].flatMap(([uri, found]) =>
      found.map((one) => `${uri.slice(other.uri("").length + 1)}:${one.range.start.line + 1}:${one.range.start.character + 1} ${one.code}`),
    );
    const { stdout } = spawnSync(process.env.SONDER_BIN, ["check", folder, "--format", "json"], { encoding: "utf8" });
    const said = JSON.parse(stdout).map((one) => `${one.file}:${one.line}:${one.column} ${one.code}`);
    assert.deepEqual(shown.sort(), said.sort(), `after ${edit} edits`);
  }
  assert.equal(await other.quit(), 0);
});

test("files that change on disk, and projects that come and go", async (context) => {
  const folder = copy(context);
  const other = await Editor.open(folder);
  await other.show("rules/base.sonder");
  const changed = (path) => other.wire.sendNotification("workspace/didChangeWatchedFiles", { changes: [{ uri: other.uri(path), type: 2 }] });
  writeFileSync(join(folder, "events/order.yaml"), "event: purchase\n");
  await changed("events/order.yaml");
  await other.wrong("rules/base.sonder", ["E0201", "E0201"]);
  rmSync(join(folder, "sonder.yaml"));
  await changed("sonder.yaml");
  await other.wrong("rules/base.sonder", []);
  assert.equal(await other.ask("hover", "rules/base.sonder", "segment buy$0ers { when did(order) }"), null);
  writeFileSync(join(folder, "sonder.yaml"), "name: again\n");
  await changed("sonder.yaml");
  await other.wrong("rules/base.sonder", ["E0201"]);
  assert.equal(await other.quit(), 0);
});

test("a document belongs to the nearest project above it", async (context) => {
  const [one, two] = [copy(context), copy(context)];
  writeFileSync(join(two, "events/order.yaml"), "event: purchase\n");
  const other = await Editor.open(one, { folders: [tmpdir()] });
  await other.show("rules/base.sonder");
  await other.request("foldingRange", "rules/base.sonder");
  assert.deepEqual([...other.shown.values()].flat(), []);
  other.folder = two;
  other.versions.clear();
  await other.show("rules/base.sonder");
  await other.wrong("rules/base.sonder", ["E0201", "E0201"]);
  assert.equal(await other.quit(), 0);
});

test("what it does not serve, it says so", async () => {
  await assert.rejects(editor.wire.sendRequest("workspace/symbol", { query: "x" }), /is not served/);
  await editor.wire.sendNotification("textDocument/didOpen", { nonsense: true });
  assert.equal((await editor.request("foldingRange", "rules/base.sonder")).length, 1);
});
