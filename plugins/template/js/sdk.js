// What a destination in JavaScript needs: items that are read, requests, and what becomes of an item by the answer. There is
// no clock, no `fetch` and no `setTimeout` in the sandbox: `now` and `send` are all there is.

import { send as hostSend } from 'sonder:destination/host@1.0.0';

const encoder = new TextEncoder();
const decoder = new TextDecoder();

/** Outcomes of an item. */
export const delivered = { tag: 'delivered' };
export const retryAfter = (seconds) => ({ tag: 'retry-after', val: Math.min(Math.max(0, Math.ceil(seconds)), 0xffffffff) });
export const rejected = (why) => ({ tag: 'rejected', val: why });
export const unauthorized = (why) => ({ tag: 'unauthorized', val: why });

/**
 * The functions that the engine calls, made of a description (see plugins/README.md of Sonder for its keys), `check(config)`,
 * which gives `[{path, message}]`, and `deliver(config, now, items)`, which gives an outcome for each item. `now` is in
 * milliseconds since 1970.
 */
export function destination({ check = () => [], deliver, ...description }) {
  const known = description.config?.additionalProperties === false ? Object.keys(description.config.properties ?? {}) : null;
  return {
    describe: () => JSON.stringify(description),
    check(text) {
      const config = JSON.parse(text);
      const unknown = Object.keys(config).filter((key) => known && !known.includes(key));
      return [...unknown.map((key) => ({ path: `/${key}`, message: 'is not a key of this plugin' })), ...check(config)];
    },
    deliver: (text, now, items) => deliver(JSON.parse(text), Number(now), items.map(read)),
  };
}

function read({ id, kind, name, person, payload, attempt }) {
  const fields = JSON.parse(payload) ?? {};
  return {
    id, kind, name, person, attempt,
    payload: fields,
    /** A text of the payload, unless it is empty. */
    text: (field) => (typeof fields[field] === 'string' && fields[field] ? fields[field] : undefined),
    /** The first identifier of a kind: `email`. */
    identifier: (kind) => person.find((identifier) => identifier.kind === kind)?.value,
  };
}

/** A `POST` of JSON. `{{secret:NAME}}` in a header's value is filled in by the host. */
export function postJson(url, headers, body) {
  const all = { 'content-type': 'application/json', ...headers };
  return { method: 'POST', url, headers: Object.entries(all), body: encoder.encode(JSON.stringify(body)), fillBody: false };
}

/** Sends a request: `{response}`, or `{error: {tag, val}}` where there is no answer. */
export function send(request) {
  try {
    return { response: hostSend(request) };
  } catch (thrown) {
    const error = thrown?.payload ?? thrown;
    if (typeof error?.tag !== 'string') throw thrown;
    return { error };
  }
}

/** What an answer usually means. */
export function outcome({ response, error }, now) {
  if (error) {
    if (error.tag === 'denied') return unauthorized(error.val);
    if (error.tag === 'invalid') return rejected(error.val);
    return error.tag === 'too-large' ? rejected('the request or its answer is larger than 1 MiB') : retryAfter(0);
  }
  const { status } = response;
  if (status >= 200 && status < 300) return delivered;
  if (status === 401 || status === 403) return unauthorized(`answered ${status}`);
  if ([408, 425, 429].includes(status) || (status >= 300 && status < 400) || status >= 500) return retryAfter(wait(response, now));
  const text = decoder.decode(response.body.slice(0, 200)).split(/\s+/).filter(Boolean).join(' ');
  return rejected(`answered ${status}${text ? `: ${text}` : ''}`);
}

/** Seconds of `Retry-After`, which is a number or a date; 0 leaves the wait to the engine. */
function wait(response, now) {
  const value = response.headers.find(([name]) => name === 'retry-after')?.[1].trim() ?? '';
  if (/^\d+$/.test(value)) return Number(value);
  const at = Date.parse(value);
  return Number.isNaN(at) ? 0 : (at - now) / 1000;
}

/**
 * Makes one call for each item, in order; `request` gives an outcome where there is nothing to send. When the other side asks
 * for quiet, is not there, or does not accept the credentials, the rest is not sent and shares the outcome.
 */
export function each(items, now, request) {
  let quiet;
  return items.map((item) => {
    if (quiet) return quiet;
    const made = request(item);
    if (made.tag) return made;
    const answer = send(made);
    const what = outcome(answer, now);
    const asked = what.tag === 'retry-after' && (answer.error || [429, 503].includes(answer.response.status));
    if (asked || what.tag === 'unauthorized') quiet = what;
    return what;
  });
}
