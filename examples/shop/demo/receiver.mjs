// The shop's CRM, its storefront and its mail service: an HTTP server that verifies Standard Webhooks signatures and the mail
// service's token, and counts calls by their idempotency key.
// The demo uses it as a module; `node receiver.mjs` runs it alone.

import { createHmac, timingSafeEqual } from 'node:crypto';
import { createServer } from 'node:http';
import { pathToFileURL } from 'node:url';

export const SECRET = process.env.SHOP_CRM_SECRET ?? 'whsec_c29uZGVyLXNob3AtZGVtby1zaWduaW5nLWtleQ==';
export const MAIL_TOKEN = process.env.SHOP_MAIL_TOKEN ?? 'mail-demo-token';
export const PORT = 7117;

const TOLERANCE_S = 300;
const LARGEST_BODY = 1 << 20;

/** Whether `headers` sign `body`, and were made just now. */
function isSigned(headers, body) {
  const [id, timestamp, signatures] = ['id', 'timestamp', 'signature'].map((name) => headers[`webhook-${name}`] ?? '');
  if (!id || !(Math.abs(Date.now() / 1000 - Number(timestamp)) <= TOLERANCE_S)) return false;
  const key = Buffer.from(SECRET.replace(/^whsec_/, ''), 'base64');
  const expected = createHmac('sha256', key).update(`${id}.${timestamp}.${body}`).digest();
  return signatures.split(' ').some((signature) => {
    const [version, value] = signature.split(',');
    const given = Buffer.from(value ?? '', 'base64');
    return version === 'v1' && given.length === expected.length && timingSafeEqual(given, expected);
  });
}

/** What a call says to each place, and its key; nothing when nobody vouches for it. */
const PLACES = {
  '/crm': signed,
  '/storefront': signed,
  '/mail': (headers, body) => {
    if (headers.authorization !== `Bearer ${MAIL_TOKEN}`) return null;
    const { to, template, data } = JSON.parse(body);
    if (!to.includes('@') || !template) throw new Error('no address, or no template');
    const person = [{ kind: 'email', value: to }];
    return { key: headers['idempotency-key'], type: 'mail', timestamp: new Date().toISOString(), data: { ...data, name: template, person } };
  },
};

function signed(headers, body) {
  return isSigned(headers, body) ? { key: headers['webhook-id'], ...JSON.parse(body) } : null;
}

/** Starts them all. `heard` is called for the first call with each key. */
export async function startReceiver({ port = PORT, heard = () => {} } = {}) {
  const calls = new Map(); // idempotency key -> {place, type, name, times}
  const counts = { repeated: 0, unsigned: 0, malformed: 0 };
  const take = (place, headers, body) => {
    if (!Object.hasOwn(PLACES, place)) return 404;
    try {
      const call = PLACES[place](headers, body);
      if (!call) {
        counts.unsigned++;
        return 401;
      }
      const known = calls.get(call.key);
      if (known) {
        known.times++;
        counts.repeated++;
        return 200;
      }
      calls.set(call.key, { place: place.slice(1), type: call.type, name: call.data.name, times: 1 });
      heard(call);
      return 200;
    } catch {
      counts.malformed++;
      return 400;
    }
  };
  const server = createServer((request, response) => {
    const parts = [];
    let length = 0;
    request.on('data', (part) => {
      length += part.length;
      if (length <= LARGEST_BODY) parts.push(part);
      else request.destroy();
    });
    request.on('end', () => response.writeHead(take(request.url, request.headers, Buffer.concat(parts).toString())).end());
  });
  await new Promise((resolve, reject) => {
    server.once('error', reject);
    server.listen(port, '127.0.0.1', resolve);
  });
  return { calls, counts, port: server.address().port, close: () => (server.closeAllConnections(), server.close()) };
}

if (import.meta.url === pathToFileURL(process.argv[1] ?? '').href) {
  const heard = ({ type, data }) => {
    const known = data.person.find(({ kind }) => kind !== 'anonymous_id') ?? data.person[0];
    console.log(`${type.padEnd(16)} ${data.name.padEnd(22)} ${known ? `${known.kind}:${known.value}` : ''}`);
  };
  const { port } = await startReceiver({ heard });
  console.log(`the CRM, the storefront and the mail service listen on http://127.0.0.1:${port}`);
}
