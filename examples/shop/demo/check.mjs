// Whether every number adds up: what was sent against what the engine has, what it decided against what the CRM heard.

import { readFileSync } from 'node:fs';
import { setTimeout as sleep } from 'node:timers/promises';
import { gunzipSync } from 'node:zlib';

const PATIENCE_MS = 20_000;

/** Rows of the imported file, without its header. */
export const rowsOf = (file) => gunzipSync(readFileSync(file)).toString().trim().split('\n').slice(1);

/** All sums as {what, expected, found, holds}. The data directory was empty before this run. */
export async function checkSums({ engine, receiver, ledger, historyFile, destination, receives }) {
  const sums = [];
  const sum = (what, expected, found) => sums.push({ what, expected, found, holds: same(expected, found) });

  const rows = rowsOf(historyFile);
  const historyPeople = new Set(rows.map((row) => row.split(',')[0]));
  const [imported] = await engine.query("select count(*) as n, count(distinct message_id) as ids from log where source = 'history'");
  sum('rows of the file = imported events', rows.length, imported.n);

  sum('calls of the SDK = acknowledged', ledger.total, ledger.acknowledged);
  sum('calls of the SDK that failed', 0, ledger.failed);
  await until(async () => (await engine.read('/status')).lag.unfolded === 0);
  const live = await engine.query("select coalesce(event, call) as name, count(*) as n from log where source <> 'history' group by all");
  const quarantine = await engine.read('/quarantine?limit=1');
  const inLog = live.reduce((total, { n }) => total + n, 0);
  sum('acknowledged = live events + quarantined', ledger.acknowledged, inLog + quarantine.total);
  sum('quarantined = sent with a misspelt category', ledger.misspelt, quarantine.total);
  const accepted = new Map(ledger.sent);
  accepted.set('product_viewed', (accepted.get('product_viewed') ?? 0) - ledger.misspelt);
  const byName = Object.fromEntries(live.map(({ name, n }) => [name, n]));
  sum('each kind of event', sorted(Object.fromEntries([...accepted].filter(([, n]) => n > 0))), sorted(byName));
  const [distinct] = await engine.query('select count(*) - count(distinct message_id) as n from log');
  sum('message ids that are twice in the log', 0, distinct.n);

  const newcomers = [...ledger.people.keys()].filter((person) => !historyPeople.has(person));
  sum('people', historyPeople.size + newcomers.length, (await engine.read('/status')).people);
  sum('lifetime value of every live shopper', ...(await lifetimeValues(engine, ledger)));

  const told = await deliveries({ engine, receiver, destination, receives });
  sum('segment entries, exits, new traits = deliveries', told.changes, told.decided);
  for (const [what, kind] of [['entries', 'segment_entered'], ['exits', 'segment_left'], ['traits', 'trait_changed']]) {
    sum(`  ${what} decided = distinct calls at the CRM`, told.count(kind), told.heard(kind));
  }
  sum('what journeys sent = distinct calls elsewhere', told.count('message'), told.heard('message'));
  sum('calls that nobody decided', 0, told.undecided);
  sum('segment sizes = entries - exits', ...(await segmentSizes(engine)));
  sum('calls with a wrong signature or body', 0, receiver.counts.unsigned + receiver.counts.malformed);
  sum('dead deliveries', 0, (await engine.read('/deliveries?state=dead&limit=1')).total);
  return sums;
}

/** Expected and found lifetime values that differ; both empty when none does. */
async function lifetimeValues(engine, ledger) {
  const [expected, found] = [{}, {}];
  const people = [...ledger.people];
  const one = async ([person, cents]) => {
    const kind = person.startsWith('anon-') ? 'anonymous_id' : 'user_id';
    const { computed } = await engine.read(`/people/${kind}:${encodeURIComponent(person)}?fields=computed`);
    const value = computed.find(({ name }) => name === 'lifetime_value')?.value;
    const wanted = (cents / 100).toFixed(2);
    if (value !== wanted) [expected[person], found[person]] = [wanted, value];
  };
  for (let begin = 0; begin < people.length; begin += 8) await Promise.all(people.slice(begin, begin + 8).map(one));
  const all = `${people.length} right`;
  return Object.keys(expected).length ? [expected, found] : [all, all];
}

/**
 * What was decided and what was heard. Time goes on while we look: people leave segments without any event. So the order
 * matters: what the CRM heard before the look must have been decided, and what was decided must be heard soon after it.
 */
async function deliveries({ engine, receiver, destination, receives }) {
  const heardBefore = [...receiver.calls.keys()];
  const list = receives.map((name) => `'${name}'`).join(', ');
  // One statement, one snapshot: both sides are of the same moment. History changes people, and tells nobody.
  const rows = await engine.query(`
    select 'change' as side, null as id, c.kind, c.name, count(*) as n from changes c left join log on c.cause_seq = log.seq
      where c.kind in ('entered', 'left', 'trait_changed') and c.name in (${list}) and not coalesce(log.historical, false)
      group by all
    union all
    select 'delivery', cast(id as varchar), kind, name, 1 from deliveries where destination = '${destination}' or kind = 'message'`);
  const decided = rows.filter(({ side }) => side === 'delivery').map((row) => ({ ...row, id: row.id.replaceAll('-', '') }));
  const changes = rows.filter(({ side }) => side === 'change');
  const tally = (rows) => {
    const counts = {};
    for (const { kind, name, n } of rows) {
      const what = `${name} ${kind.replace('segment_', '')}`;
      counts[what] = (counts[what] ?? 0) + n;
    }
    return sorted(counts);
  };
  await until(() => decided.every(({ id }) => receiver.calls.has(id)));
  const ids = new Set(decided.map(({ id }) => id));
  // The golden record's own traits are told too, and what journeys send; they are not among the changes of rules.
  const recorded = new Set(changes.map(({ name }) => name));
  return {
    changes: tally(changes),
    decided: tally(decided.filter(({ kind, name }) => kind !== 'message' && (kind !== 'trait_changed' || recorded.has(name)))),
    count: (wanted) => decided.filter(({ kind }) => kind === wanted).length,
    heard: (wanted) => decided.filter(({ id, kind }) => kind === wanted && CALLED[wanted].includes(receiver.calls.get(id)?.type)).length,
    undecided: heardBefore.filter((id) => !ids.has(id)).length,
  };
}

/** What the receivers call a kind of delivery. */
const CALLED = { segment_entered: ['segment.entered'], segment_left: ['segment.left'], trait_changed: ['trait.changed'], message: ['message', 'mail'] };

/** Sizes as the changes say and as the API says, once they have had the time to agree: people leave while we look. */
async function segmentSizes(engine) {
  let [expected, found] = [{}, {}];
  await until(async () => {
    const { segments } = await engine.read('/segments');
    const moves = await engine.query("select name, count(*) filter (kind = 'entered') - count(*) filter (kind = 'left') as n from changes where kind in ('entered', 'left') group by all");
    const byName = Object.fromEntries(moves.map(({ name, n }) => [name, n]));
    expected = sorted(Object.fromEntries(segments.map(({ name }) => [name, byName[name] ?? 0])));
    found = sorted(Object.fromEntries(segments.map(({ name, size }) => [name, size])));
    return same(expected, found);
  });
  return [expected, found];
}

/** Waits until something holds, but not for ever; whoever asks will see that it does not. */
export async function until(holds) {
  const deadline = Date.now() + PATIENCE_MS;
  while (!(await holds()) && Date.now() < deadline) await sleep(50);
}

const sorted = (counts) => Object.fromEntries(Object.entries(counts).sort(([a], [b]) => (a < b ? -1 : 1)));
const same = (a, b) => JSON.stringify(a) === JSON.stringify(b);

/** The sums as a table, with what differs. */
export function table(sums) {
  const show = (value) => (typeof value === 'object' ? `${Object.values(value).reduce((a, b) => a + (Number(b) || 0), 0)} in ${Object.keys(value).length}` : String(value));
  const width = Math.max(...sums.map(({ what }) => what.length));
  const heading = `    ${''.padEnd(width)}  ${'expected'.padStart(12)}  ${'found'.padStart(12)}`;
  const lines = sums.map(({ what, expected, found, holds }) => {
    const line = `  ${holds ? '✓' : '✗'} ${what.padEnd(width)}  ${show(expected).padStart(12)}  ${show(found).padStart(12)}`;
    return holds ? line : `${line}\n      expected ${JSON.stringify(expected)}\n      found    ${JSON.stringify(found)}`;
  });
  return [heading, ...lines].join('\n');
}
