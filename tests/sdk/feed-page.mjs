// A page of jsdom that asks for its visitor's feed twice, the way that `plugins/README.md` shows. Requests are the page's
// own, so CORS is enforced. Prints what it was told the first time, and what came over the wire the second time.
//
//     node feed-page.mjs HOST WRITE_KEY ORIGIN

import { host, require, writeKey } from './common.mjs'

const { JSDOM, VirtualConsole } = require('jsdom')
const origin = process.argv[4]
const page = new JSDOM('<title>Shop</title>', { url: `${origin}/`, runScripts: 'outside-only', virtualConsole: new VirtualConsole() })
const { window } = page

// jsdom has no cache of its own: the page keeps the tag, as a browser does.
let tag
function ask() {
  return new Promise((resolve, reject) => {
    const request = new window.XMLHttpRequest()
    request.open('GET', `${host}/v1/feed?writeKey=${writeKey}&anonymousId=a1`)
    if (tag) request.setRequestHeader('if-none-match', tag)
    request.onload = () => {
      tag = request.getResponseHeader('etag')
      resolve({ status: request.status, text: request.responseText })
    }
    request.onerror = () => reject(new Error('the request failed'))
    request.send()
  })
}

const shown = ({ status, text }) => {
  const told = text ? JSON.parse(text) : {}
  return status === 200 ? { status, body: told.messages[0].fields } : { status, ...(told.code ? { code: told.code } : {}) }
}
const first = shown(await ask())
const again = first.status === 200 ? shown(await ask()) : null
console.log(JSON.stringify({ first, again }))
process.exit(0)
