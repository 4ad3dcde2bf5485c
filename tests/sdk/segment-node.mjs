// @segment/analytics-node: every call type, delivered before it exits with 0.

import { finish, host, require, visits, writeKey } from './common.mjs'

const { Analytics } = require('@segment/analytics-node')

const errors = []
const analytics = new Analytics({ writeKey, host, flushAt: 6, flushInterval: 100 })
analytics.on('error', (error) => errors.push(error))

for (const { userId, anonymousId, traits, product, place, groupId, previousId } of visits) {
  const who = { userId, anonymousId }
  analytics.identify({ ...who, traits })
  analytics.track({ ...who, event: 'Product Viewed', properties: product })
  analytics.page({ ...who, name: 'Home', properties: place })
  analytics.screen({ ...who, name: 'Main', properties: place })
  analytics.group({ ...who, groupId, traits: { name: 'Company' } })
  analytics.alias({ userId, previousId })
}
await analytics.closeAndFlush({ timeout: 60_000 })
finish(errors)
