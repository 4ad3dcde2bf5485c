// @segment/analytics-next, the browser's bundle, in a page of jsdom: every call type. The page knows nothing but the write
// key and the host; where to send to is in the settings that it loads. Requests are the page's own, so CORS is enforced.
// With `batching` as the third argument it sends batches.

import { readFileSync } from 'node:fs'
import { join } from 'node:path'
import { setTimeout as sleep } from 'node:timers/promises'
import { finish, home, host, require, visits, writeKey } from './common.mjs'

const { JSDOM, VirtualConsole } = require('jsdom')
const batching = process.argv[4] === 'batching'

const errors = []
const virtualConsole = new VirtualConsole()
virtualConsole.on('jsdomError', (error) => {
  // A connection that the proxy cuts is reported, too; whether the event arrives all the same is what is tested.
  if (!/socket hang up|Cross origin|ECONNRESET|null/.test(String(error.detail ?? error.message))) errors.push(error)
})
const url = 'http://shop.localhost/home?utm_source=mail&utm_campaign=spring'
const page = new JSDOM('<title>Shop</title>', { url, runScripts: 'outside-only', pretendToBeVisual: true, virtualConsole })
const { window } = page
window.eval(readFileSync(join(home, 'node_modules/@segment/analytics-next/dist/umd/index.js'), 'utf8'))

const deliveryStrategy = batching ? { strategy: 'batching', config: { size: 6, timeout: 300 } } : { strategy: 'standard' }
const [analytics] = await window.AnalyticsNext.AnalyticsBrowser.load(
  { writeKey, cdnURL: host },
  { integrations: { 'Segment.io': { deliveryStrategy } } },
)
analytics.setAnonymousId('a1')
let sent = 0

for (const { userId, traits, product, place, groupId, previousId } of visits) {
  const contexts = await Promise.all([
    analytics.identify(userId, traits),
    analytics.track('Product Viewed', product),
    analytics.page('Home', place),
    analytics.screen('Main', place),
    analytics.group(groupId, { name: 'Company' }),
    analytics.alias(userId, previousId),
  ])
  sent += contexts.length
}

// Neither strategy tells when the last retry has come through: the proxy does.
for (let patience = 600; ; patience -= 1) {
  const { left, passed } = await (await fetch(new URL('/__faults', host))).json()
  const answered = passed.filter(({ status, fault }) => status === 200 && fault !== 'cut')
  const acknowledged = answered.reduce((sum, { messages }) => sum + messages, 0)
  if (left.length === 0 && acknowledged >= sent) break
  if (patience === 0) {
    errors.push(new Error(`not delivered: ${JSON.stringify({ left, passed })}`))
    break
  }
  await sleep(100)
}
finish(errors)
