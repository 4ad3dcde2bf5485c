// A destination to start from: each message is one call, with the idempotency key.

import { destination, each, postJson, rejected } from './sdk.js';

const plugin = destination({
  name: 'greeter',
  version: '0.1.0',
  summary: 'greets people',
  accepts: ['message'],
  actions: {
    greet: {
      summary: 'a greeting',
      schema: {
        type: 'object',
        properties: { text: { type: 'string', description: 'What it says' } },
        required: ['text'],
        additionalProperties: false,
      },
    },
  },
  config: {
    type: 'object',
    properties: { url: { type: 'string', description: 'Where the calls go' } },
    required: ['url'],
    additionalProperties: false,
  },
  hosts: ['*'],
  secrets: [{ name: 'api_key', summary: "from the service's settings page" }],

  check(config) {
    return config.url.startsWith('https://') ? [] : [{ path: '/url', message: 'is not a web address; it starts with `https://`' }];
  },

  deliver(config, now, items) {
    return each(items, now, (item) => request(config, item));
  },
});

function request(config, item) {
  const text = item.text('text');
  if (!text) return rejected('there is nothing in `text`');
  const headers = { authorization: 'Bearer {{secret:api_key}}', 'idempotency-key': item.id };
  return postJson(config.url, headers, { text, to: item.identifier('email') ?? null });
}

export const describe = plugin.describe;
export const check = plugin.check;
export const deliver = plugin.deliver;
