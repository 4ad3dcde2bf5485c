// The engine as a child process, and its API.

import { spawn } from 'node:child_process';
import { createWriteStream, readFileSync } from 'node:fs';
import { createInterface } from 'node:readline';
import { createServer } from 'node:net';
import { setTimeout as sleep } from 'node:timers/promises';

const BIN = process.env.SONDER_BIN;
const PREFERRED_PORT = 8080;

/** Starts the engine and waits until it takes traffic. */
export async function startEngine({ project, data, env }) {
  const began = performance.now();
  const port = (await isFree(PREFERRED_PORT)) ? PREFERRED_PORT : 0;
  const logFile = `${data}/engine.log`;
  const log = createWriteStream(logFile, { flags: 'a' });
  // In a process group of its own, so that Ctrl-C reaches the demo first, which ends things in order.
  const child = spawn(BIN, ['run', project, '--data', data, '--listen', `127.0.0.1:${port}`], {
    env: { ...process.env, ...env },
    stdio: ['ignore', 'pipe', 'pipe'],
    detached: true,
  });
  process.once('exit', () => child.kill('SIGKILL'));
  const ended = new Promise((resolve) => child.once('exit', (code, signal) => resolve(code ?? signal)));
  child.stderr.pipe(log, { end: false });
  const lines = createInterface({ input: child.stdout });
  const url = await Promise.race([
    new Promise((resolve) =>
      lines.on('line', (line) => {
        log.write(`${line}\n`);
        const found = line.match(/listening on (http:\/\/\S+)/);
        if (found) resolve(found[1]);
      }),
    ),
    ended.then(() => undefined),
    sleep(120_000, undefined, { ref: false }),
  ]);
  if (!url) {
    child.kill('SIGKILL');
    const said = readFileSync(logFile, 'utf8').trim().split('\n').slice(-25).join('\n');
    throw new Error(`the engine did not start; the end of ${logFile}:\n${said}`);
  }
  const engine = { url, logFile, child, ended, stop: () => stop(child, ended), ...api(url) };
  while (!(await fetch(`${url}/readyz`).then((answer) => answer.ok, () => false))) {
    if (child.exitCode !== null) throw new Error(`the engine ended (${child.exitCode}); see ${logFile}`);
    await sleep(10);
  }
  engine.startedIn = performance.now() - began;
  return engine;
}

async function stop(child, ended) {
  if (child.exitCode === null) child.kill('SIGTERM');
  const code = await Promise.race([ended, sleep(30_000, 'no answer', { ref: false })]);
  if (code === 'no answer') child.kill('SIGKILL');
  return code;
}

function api(url) {
  const read = async (path, request) => {
    const answer = await fetch(`${url}/api/v1${path}`, request);
    const body = await answer.json();
    if (!answer.ok) throw new Error(`${path}: ${answer.status} ${JSON.stringify(body.error)}`);
    return body;
  };
  /** The rows of a SQL statement, as objects. */
  const query = async (sql) => {
    const body = JSON.stringify({ sql, limit: 100_000 });
    const { columns, rows, truncated } = await read('/query', { method: 'POST', headers: { 'content-type': 'application/json' }, body });
    if (truncated) throw new Error(`too many rows: ${sql}`);
    return rows.map((row) => Object.fromEntries(row.map((value, index) => [columns[index].name, value])));
  };
  return { read, query };
}

/** Imports a file with the command line, as anybody would; calls `progress` with its last line of output. */
export async function runImport({ url, file, mapping, progress }) {
  const child = spawn(BIN, ['import', file, '--mapping', mapping, '--url', url], { stdio: ['ignore', 'pipe', 'pipe'] });
  let said = '';
  for (const stream of [child.stdout, child.stderr]) {
    stream.on('data', (text) => {
      said = (said + text).slice(-4000);
      progress(said.trim().split(/[\r\n]/).at(-1));
    });
  }
  const code = await new Promise((resolve, reject) => child.once('exit', resolve).once('error', reject));
  if (code !== 0) throw new Error(`the import ended with ${code}:\n${said}`);
}

/** Whether nobody listens on a port of loopback. */
export function isFree(port) {
  return new Promise((resolve) => {
    const server = createServer();
    server.once('error', () => resolve(false));
    server.listen(port, '127.0.0.1', () => server.close(() => resolve(true)));
  });
}
