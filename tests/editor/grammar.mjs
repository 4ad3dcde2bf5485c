// The colours of VS Code, with its own machinery: no token of an example is without a scope or called a mistake, every word of
// the language has one, and one example is kept token by token. `SONDER_ACCEPT=1` writes that one anew.

import assert from "node:assert/strict";
import { readFileSync, readdirSync, writeFileSync } from "node:fs";
import { createRequire } from "node:module";
import { join } from "node:path";
import { test } from "node:test";

const load = createRequire(join(process.env.SONDER_EDITOR, "package.json"));
const { Registry, INITIAL, parseRawGrammar } = load("vscode-textmate");
const { loadWASM, OnigScanner, OnigString } = load("vscode-oniguruma");

const repository = join(import.meta.dirname, "../..");
const extension = join(repository, "dsl/editors/vscode");
const read = (path) => readFileSync(join(repository, path), "utf8");

await loadWASM(readFileSync(load.resolve("vscode-oniguruma/release/onig.wasm")));
const manifest = JSON.parse(readFileSync(join(extension, "package.json"), "utf8"));
const registry = new Registry({
  onigLib: Promise.resolve({
    createOnigScanner: (patterns) => new OnigScanner(patterns),
    createOnigString: (text) => new OnigString(text),
  }),
  loadGrammar: async (scope) => {
    const { path } = manifest.contributes.grammars.find((grammar) => grammar.scopeName === scope);
    return parseRawGrammar(readFileSync(join(extension, path), "utf8"), path);
  },
});
const grammar = await registry.loadGrammar("source.sonder");

/** All tokens of a text but white space: their text and innermost scope. */
function tokens(text) {
  let state = INITIAL;
  return text.split("\n").flatMap((line, number) => {
    const { tokens, ruleStack } = grammar.tokenizeLine(line, state);
    state = ruleStack;
    return tokens
      .map(({ startIndex, endIndex, scopes }) => ({ line: number + 1, text: line.slice(startIndex, endIndex), scopes }))
      .filter((token) => token.text.trim() !== "");
  });
}

const scope = (token) => token.scopes.at(-1).replace(/\.sonder$/, "");

/** All rule files under a folder. */
const files = (folder) =>
  readdirSync(join(repository, folder), { recursive: true, encoding: "utf8" })
    .filter((path) => path.endsWith(".sonder"))
    .map((path) => join(folder, path));

/** The blocks of rules in a page. */
const blocks = (page) => [...read(page).matchAll(/^```sonder\b.*\n([^]*?)^```$/gm)].map((match) => match[1]);

/** The grammar in the reference. */
const grammars = (page) => [...read(page).matchAll(/^```ebnf\n([^]*?)^```$/gm)].map((match) => match[1]);

function assertAllIsScoped(name, text) {
  for (const token of tokens(text)) {
    const place = `${name}:${token.line}: \`${token.text}\``;
    assert.ok(token.scopes.length > 1, `${place} has no scope`);
    assert.ok(!token.scopes.some((scope) => scope.startsWith("invalid")), `${place} is called a mistake`);
  }
}

test("no token of an example is without a scope", () => {
  const examples = [...files("examples"), ...files("dsl/tests/projects"), ...files("tests/cases/project")];
  assert.ok(examples.length > 10);
  examples.forEach((path) => assertAllIsScoped(path, read(path)));
  const reference = blocks("dsl/REFERENCE.md");
  assert.ok(reference.length > 20);
  reference.forEach((block) => assertAllIsScoped("dsl/REFERENCE.md", block));
});

test("every word of the language has the colour of one", () => {
  const terminals = grammars("dsl/REFERENCE.md").flatMap((block) => [...block.matchAll(/"([a-z]{2,})"/g)].map((match) => match[1]));
  const units = ["ms"];
  const words = new Set(terminals.filter((word) => !units.includes(word)));
  assert.ok(words.size > 50);
  for (const word of words) {
    const [token] = tokens(word === "this" || word === "session" ? "this session" : `x ${word} x`).filter((token) => token.text.includes(word));
    assert.match(scope(token), /^(keyword|constant)\./, `\`${word}\` is ${scope(token)}`);
  }
  const functions = [...read("dsl/REFERENCE.md").matchAll(/^\| \[`([a-z]+)\(/gm)].map((match) => match[1]);
  assert.ok(functions.length > 10);
  for (const name of functions) {
    assert.equal(scope(tokens(`${name}(x)`)[0]), "support.function", name);
  }
});

test("names are names where they could be words", () => {
  const scopes = (text) => tokens(text).map((token) => [token.text, scope(token)]);
  assert.deepEqual(scopes("context.last"), [
    ["context", "variable.language"],
    [".", "punctuation.accessor"],
    ["last", "variable.other.property"],
  ]);
  assert.deepEqual(scopes('{ to: "x" }').slice(1, 3), [
    ["to", "entity.other.attribute-name"],
    [":", "punctuation.separator.key-value"],
  ]);
  assert.equal(scope(tokens("set trait interested")[0]), "keyword.control");
  assert.equal(scope(tokens("été > 3")[0]), "variable.other");
  assert.ok(tokens("a && b")[1].scopes.at(-1).startsWith("invalid"));
});

test("a text that is not closed ends with its line", () => {
  const next = tokens('segment a "x\nsegment b').find((token) => token.line === 2);
  assert.equal(scope(next), "keyword.declaration");
});

test("one example, token by token", () => {
  const path = "dsl/tests/projects/normative/rules/cart_recovery.sonder";
  const printed = tokens(read(path)).map((token) => `${token.line} ${token.text.trim()} · ${scope(token)}\n`).join("");
  const kept = join(import.meta.dirname, "tokens.txt");
  if (process.env.SONDER_ACCEPT) writeFileSync(kept, printed);
  assert.equal(printed, readFileSync(kept, "utf8"));
});

test("the manifest names files that are there", () => {
  const { main, contributes } = manifest;
  assert.equal(main, "./dist/extension.js");
  for (const { path } of contributes.grammars) JSON.parse(readFileSync(join(extension, path), "utf8"));
  for (const { configuration } of contributes.languages) {
    const { wordPattern, indentationRules } = JSON.parse(readFileSync(join(extension, configuration), "utf8"));
    for (const pattern of [wordPattern, ...Object.values(indentationRules)]) new RegExp(pattern, "u");
  }
});
