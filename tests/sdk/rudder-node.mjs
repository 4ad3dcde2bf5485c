// @rudderstack/rudder-sdk-node: every call type, delivered before it exits with 0.

import { finish, host, require, visits, writeKey } from './common.mjs'

const { default: Analytics = require('@rudderstack/rudder-sdk-node') } = require('@rudderstack/rudder-sdk-node')

const errors = []
const rudder = new Analytics(writeKey, { dataPlaneUrl: host, flushAt: 12, flushInterval: 1_000, logLevel: 'error' })
const done = (error) => error && errors.push(error)

for (const { userId, anonymousId, traits, product, place, groupId, previousId } of visits) {
  const who = { userId, anonymousId }
  rudder.identify({ ...who, traits }, done)
  rudder.track({ ...who, event: 'Product Viewed', properties: product }, done)
  rudder.page({ ...who, name: 'Home', properties: place }, done)
  rudder.screen({ ...who, name: 'Main', properties: place }, done)
  rudder.group({ ...who, groupId, traits: { name: 'Company' } }, done)
  rudder.alias({ userId, previousId }, done)
}
await rudder.flush()
finish(errors)
