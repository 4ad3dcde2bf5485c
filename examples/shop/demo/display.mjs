// The terminal: redrawn in place on a TTY, a line now and then elsewhere.

const COLOURS = { bold: 1, dim: 2, red: 31, green: 32, yellow: 33, blue: 34, magenta: 35, cyan: 36 };
const paint = (colour, text) => `\x1b[${COLOURS[colour]}m${text}\x1b[0m`;
const SPARKS = ' ▁▂▃▄▅▆▇█';
const number = (value) => value.toLocaleString('en-US');

/** What is known at one moment; `demo.mjs` fills it in. */
export class Picture {
  title = '';
  since = Infinity; // when the engine was ready
  url = '';
  stage = '';
  events = 0;
  quarantined = 0;
  people = 0;
  seq = 0;
  rates = []; // events a second, newest last
  segments = new Map(); // name -> {size, entered, left}
  feed = []; // {at, type, name, person, millis}, newest last
  calls = 0;
  undelivered = 0;
  lag = []; // milliseconds from decision to the CRM, newest last
  example = '';
}

/** Draws a picture again and again. */
export class Display {
  #lines = 0;
  #out;

  constructor(out) {
    this.#out = out;
    this.isTerminal = Boolean(out.isTTY);
    if (this.isTerminal) out.write('\x1b[?25l');
  }

  /** Writes a line that stays. */
  say(line) {
    this.#clear();
    this.#out.write(`${line}\n`);
  }

  draw(picture) {
    const width = Math.min(this.#out.columns ?? 100, 110);
    const height = this.#out.rows ?? 40;
    const lines = render(picture, width, height);
    this.#clear();
    this.#out.write(lines.map((line) => `${cut(line, width)}\x1b[K\n`).join(''));
    this.#lines = lines.length;
  }

  close() {
    if (this.isTerminal) this.#out.write('\x1b[?25h');
    this.#lines = 0;
  }

  #clear() {
    if (this.#lines > 0) this.#out.write(`\x1b[${this.#lines}A\x1b[J`);
    this.#lines = 0;
  }
}

function render(picture, width, height) {
  const { events, people, quarantined, calls, undelivered, rates, lag, seq } = picture;
  const rate = rates.at(-1) ?? 0;
  const rule = paint('dim', '─'.repeat(width));
  const lines = [
    `${paint('bold', '● sonder')} ${picture.title}  ${paint('dim', picture.stage)}`,
    rule,
    columns(width, [
      `events      ${paint('bold', number(events))}`,
      `people    ${paint('bold', number(people))}`,
      `to the CRM  ${paint('bold', number(calls))}`,
    ]),
    columns(width, [
      `a second    ${paint('cyan', String(Math.round(rate)).padEnd(5))}${paint('cyan', spark(rates, 20))}`,
      `log       ${paint('dim', `seq ${number(seq)}`)}`,
      `waiting     ${undelivered > 0 ? paint('yellow', String(undelivered)) : '0'}`,
    ]),
    columns(width, [
      `quarantine  ${quarantined > 0 ? paint('yellow', String(quarantined)) : '0'}`,
      '',
      `lag         ${lag.length ? `p50 ${percentile(lag, 0.5)} ms  p99 ${percentile(lag, 0.99)} ms` : paint('dim', '–')}`,
    ]),
    rule,
  ];
  const segments = [...picture.segments].sort(([, a], [, b]) => b.size - a.size);
  const most = Math.max(1, ...segments.map(([, { size }]) => size));
  const room = Math.max(4, height - lines.length - 6);
  const shown = segments.slice(0, Math.min(segments.length, Math.ceil(room * 0.6)));
  // Areas, not lengths: the segments that history fills are much larger than those that live on the last seconds.
  for (const [name, { size, entered, left }] of shown) {
    const bar = paint('blue', '█'.repeat(Math.round(Math.sqrt(size / most) * 18)).padEnd(18));
    const moved = entered + left > 0;
    const moves = !moved ? '' : `${paint('green', `+${entered}`.padStart(6))} ${paint('red', `−${left}`.padStart(6))}`;
    lines.push(`${name.padEnd(26)}${String(number(size)).padStart(6)}  ${bar} ${moves}`);
  }
  lines.push(rule);
  const rest = Math.max(2, room - shown.length);
  for (const entry of picture.feed.slice(-rest)) {
    const sign = entry.type === 'segment.entered' ? paint('green', '→ enters') : paint('red', '← leaves');
    const millis = paint('dim', `${entry.millis} ms`);
    lines.push(`${paint('dim', entry.at)} ${sign} ${paint('bold', entry.name.padEnd(22))} ${entry.person.padEnd(38)} ${millis}`);
  }
  lines.push(rule);
  lines.push(paint('dim', `look: ${picture.url}/api/docs · ${picture.example || picture.url} · Ctrl-C ends`));
  return lines;
}

/** Cells side by side, each a third of the width. */
function columns(width, cells) {
  const third = Math.floor(width / 3);
  return cells.map((cell) => cell + ' '.repeat(Math.max(1, third - visible(cell)))).join('');
}

const ESCAPES = /\x1b\[[0-9;]*m/g;
const visible = (text) => text.replace(ESCAPES, '').length;

/** Cuts a line to the terminal, so that a redraw finds as many rows as it wrote. */
function cut(line, width) {
  if (visible(line) <= width) return line;
  let shown = 0;
  let end = 0;
  for (const part of line.split(/(\x1b\[[0-9;]*m)/)) {
    const fits = part.startsWith('\x1b') ? part.length : Math.min(part.length, width - shown);
    shown += part.startsWith('\x1b') ? 0 : fits;
    end += fits;
    if (shown >= width) break;
  }
  return `${line.slice(0, end)}\x1b[0m`;
}

function spark(values, count) {
  const recent = values.slice(-count);
  const most = Math.max(1, ...recent);
  return recent.map((value) => SPARKS[Math.round((value / most) * (SPARKS.length - 1))]).join('');
}

export function percentile(values, part) {
  if (values.length === 0) return 0;
  const inOrder = [...values].sort((a, b) => a - b);
  return inOrder[Math.min(inOrder.length - 1, Math.floor(inOrder.length * part))];
}
