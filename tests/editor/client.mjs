// An editor: VS Code's own protocol library, talking to `sonder lsp` over its standard input and output.

import assert from "node:assert/strict";
import { spawn } from "node:child_process";
import { readFileSync } from "node:fs";
import { createRequire } from "node:module";
import { join } from "node:path";
import { pathToFileURL } from "node:url";

const load = createRequire(join(process.env.SONDER_EDITOR, "package.json"));
const { createProtocolConnection } = load("vscode-languageserver-protocol/node");

export class Editor {
  /** Starts the server with a folder open. */
  static async open(folder, { flags = [], options, folders = [folder], dynamic = true } = {}) {
    const editor = new Editor();
    editor.folder = folder;
    editor.versions = new Map();
    editor.texts = new Map();
    editor.shown = new Map();
    editor.told = [];
    editor.child = spawn(process.env.SONDER_BIN, ["lsp", ...flags, "--stdio"], { stdio: ["pipe", "pipe", "inherit"] });
    editor.ended = new Promise((resolve) => editor.child.on("exit", (code) => resolve(code)));
    editor.wire = createProtocolConnection(editor.child.stdout, editor.child.stdin);
    editor.wire.onNotification("textDocument/publishDiagnostics", (params) => editor.#published(params));
    editor.registered = new Promise((resolve) => {
      editor.wire.onRequest("client/registerCapability", (params) => resolve(params.registrations));
    });
    editor.wire.listen();
    editor.server = await editor.wire.sendRequest("initialize", {
      processId: process.pid,
      rootUri: null,
      workspaceFolders: folders.map((path) => ({ uri: pathToFileURL(path).href, name: "shop" })),
      capabilities: {
        workspace: { didChangeWatchedFiles: { dynamicRegistration: dynamic } },
        textDocument: { formatting: { dynamicRegistration: dynamic } },
      },
      initializationOptions: options,
    });
    await editor.wire.sendNotification("initialized", {});
    return editor;
  }

  uri(path) {
    return pathToFileURL(join(this.folder, path)).href;
  }

  #published(params) {
    this.shown.set(params.uri, params.diagnostics);
    this.told.push(params);
  }

  /** What is wrong with a file, after all that was typed so far. */
  async wrong(path, wanted) {
    // What the server shows goes out before the answer to whatever is asked after the edit.
    await this.request("documentSymbol", path);
    const found = this.shown.get(this.uri(path)) ?? [];
    assert.deepEqual(found.map((one) => one.code), wanted, `${path}: ${JSON.stringify(found)}`);
    return found;
  }

  async edit(path, text) {
    const document = { uri: this.uri(path), languageId: path.endsWith(".yaml") ? "yaml" : "sonder", version: 1, text };
    if (this.versions.has(path)) {
      const version = this.versions.get(path) + 1;
      this.versions.set(path, version);
      await this.wire.sendNotification("textDocument/didChange", {
        textDocument: { uri: document.uri, version },
        contentChanges: [{ text }],
      });
    } else {
      this.versions.set(path, 1);
      await this.wire.sendNotification("textDocument/didOpen", { textDocument: document });
    }
    this.texts.set(path, text);
  }

  /** Opens a file as it is on disk. */
  async show(path) {
    await this.edit(path, readFileSync(join(this.folder, path), "utf8"));
  }

  /** Types into an open file: what stands at `line` from `from` to `to` becomes `text`. */
  async type(path, line, from, to, text) {
    const version = this.versions.get(path) + 1;
    this.versions.set(path, version);
    const range = { start: { line, character: from }, end: { line, character: to } };
    const contentChanges = [{ range, text }];
    await this.wire.sendNotification("textDocument/didChange", { textDocument: { uri: this.uri(path), version }, contentChanges });
  }

  async close(path) {
    this.versions.delete(path);
    await this.wire.sendNotification("textDocument/didClose", { textDocument: { uri: this.uri(path) } });
  }

  /** Writes `text`, whose `$0` is the cursor, into a file, and asks about that place. */
  async ask(method, path, text, more = {}) {
    const at = text.indexOf("$0");
    const before = text.slice(0, at).split("\n");
    await this.edit(path, text.replace("$0", ""));
    const position = { line: before.length - 1, character: before.at(-1).length };
    return this.request(method, path, { position, ...more });
  }

  request(method, path, params = {}) {
    return this.wire.sendRequest(`textDocument/${method}`, { textDocument: { uri: this.uri(path) }, ...params });
  }

  /** Says goodbye, and what the server's exit code was. */
  async quit() {
    await this.wire.sendRequest("shutdown");
    await this.wire.sendNotification("exit");
    const code = await this.ended;
    this.wire.dispose();
    return code;
  }
}

/** The text that edits make of a text. */
export function edited(text, edits) {
  const lines = text.split("\n");
  const offset = ({ line, character }) => lines.slice(0, line).reduce((sum, one) => sum + one.length + 1, 0) + character;
  const backwards = edits.toSorted((a, b) => offset(b.range.start) - offset(a.range.start));
  return backwards.reduce(
    (result, { range, newText }) => result.slice(0, offset(range.start)) + newText + result.slice(offset(range.end)),
    text,
  );
}
