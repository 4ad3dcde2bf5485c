// @ts-check
// Starts `sonder lsp` and hands it rules and the YAML files of projects. Everything else is the server's.

const { commands, window, workspace } = require("vscode");
const { LanguageClient, TransportKind } = require("vscode-languageclient/node");

/** @type {LanguageClient | undefined} */
let client;

/** @param {import("vscode").ExtensionContext} context */
exports.activate = async (context) => {
  context.subscriptions.push(
    commands.registerCommand("sonder.restart", restart),
    workspace.onDidChangeConfiguration((change) => change.affectsConfiguration("sonder.path") && restart()),
  );
  await start();
};

exports.deactivate = () => client?.stop();

async function start() {
  const command = workspace.getConfiguration("sonder").get("path") || "sonder";
  const server = { command, args: ["lsp"], transport: TransportKind.stdio };
  client = new LanguageClient("sonder", "Sonder", server, {
    documentSelector: [
      { scheme: "file", language: "sonder" },
      // The server takes those that stand in a project, and leaves the others alone.
      { scheme: "file", language: "yaml" },
    ],
    initializationOptions: settings(),
    synchronize: { configurationSection: "sonder" },
  });
  try {
    await client.start();
  } catch (error) {
    const open = "Open settings";
    const chosen = await window.showErrorMessage(`\`${command} lsp\` could not be started: ${error}`, open);
    if (chosen === open) await commands.executeCommand("workbench.action.openSettings", "sonder.path");
  }
}

async function restart() {
  await client?.stop().catch(() => {});
  await start();
}

/** What the server knows from the beginning; later changes come by themselves. */
function settings() {
  const { url, key } = workspace.getConfiguration("sonder");
  return { url, key };
}
