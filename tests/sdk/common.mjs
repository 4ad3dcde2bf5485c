// What the scripts of the JavaScript SDKs share: where the SDKs are installed, and where to send to.

import { createRequire } from 'node:module'
import { homedir } from 'node:os'
import { join } from 'node:path'

export const home = join(process.env.SONDER_CACHE ?? join(homedir(), '.cache', 'sonder'), 'sdk')
export const require = createRequire(join(home, 'package.json'))

export const [host, writeKey] = process.argv.slice(2)

// Each call type, twice, as two visits of one person.
export const visits = [1, 2].map((visit) => ({
  userId: 'u1',
  anonymousId: 'a1',
  traits: { email: 'Ada@Example.org', plan: `plan-${visit}` },
  product: { product_id: `p${visit}`, price: 19.99 },
  place: { section: `s${visit}` },
  groupId: 'g1',
  previousId: `old-${visit}`,
}))

export function finish(errors) {
  for (const error of errors) console.error(error)
  process.exit(errors.length === 0 ? 0 : 1)
}
