// A destination of the bench: each batch is one call.

import { destination, outcome, postJson, send } from './sdk.js';

const plugin = destination({
  name: 'bench-batches',
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
    return config.url.startsWith('http') ? [] : [{ path: '/url', message: 'is not a web address; it starts with `https://`' }];
  },

  deliver(config, now, items) {
    const headers = { authorization: 'Bearer {{secret:api_key}}', 'idempotency-key': items[0]?.id ?? '' };
    const all = items.map((item) => ({ id: item.id, text: item.text('text') }));
    const what = outcome(send(postJson(config.url, headers, all)), now);
    return items.map(() => what);
  },
});

export const describe = plugin.describe;
export const check = plugin.check;
export const deliver = plugin.deliver;
