// Stands between an SDK and the engine and spoils requests that carry events, one after the other:
//   429  refuses, and says when to come back       500  refuses
//   cut  passes the request on, waits until the engine has answered, and cuts the connection: the answer is lost
// When the faults are used up, everything passes. `GET /__faults` tells which are left and what was passed on.
//
// usage: node proxy.mjs http://127.0.0.1:8080 429,500,cut

import http from 'node:http'

const [target, plan = ''] = process.argv.slice(2)
const faults = plan.split(',').filter(Boolean)
const passed = []

const server = http.createServer(async (request, response) => {
  const chunks = []
  for await (const chunk of request) chunks.push(chunk)
  const body = Buffer.concat(chunks)
  if (request.url === '/__faults') {
    response.setHeader('content-type', 'application/json')
    return response.end(JSON.stringify({ left: faults, passed }))
  }
  const fault = request.method === 'POST' ? faults.shift() : undefined
  if (fault === '429' || fault === '500') return refuse(request, response, Number(fault))
  const answer = await forward(request, body)
  const { method, url } = request
  passed.push({ method, path: url.split('?')[0], status: answer.status, fault, messages: count(method, body) })
  if (fault === 'cut') return request.socket.destroy()
  response.writeHead(answer.status, answer.headers)
  response.end(answer.body)
})

// How many messages a request carries; 0 for one that is packed.
function count(method, body) {
  if (method !== 'POST') return 0
  try {
    return JSON.parse(body).batch?.length ?? 1
  } catch {
    return 0
  }
}

// A refusal as the engine words it: a page's SDK must be able to read it.
function refuse(request, response, status) {
  const headers = { 'content-type': 'application/json' }
  if (status === 429) headers['retry-after'] = '1'
  if (request.headers.origin) {
    headers['access-control-allow-origin'] = request.headers.origin
    headers['access-control-allow-credentials'] = 'true'
    headers['access-control-expose-headers'] = 'Retry-After'
  }
  response.writeHead(status, headers)
  response.end(JSON.stringify({ code: 'injected', message: 'injected' }))
}

function forward(request, body) {
  const { method, headers } = request
  return new Promise((resolve, reject) => {
    const onward = http.request(new URL(request.url, target), { method, headers, agent: false }, async (answer) => {
      const chunks = []
      for await (const chunk of answer) chunks.push(chunk)
      const { connection, 'transfer-encoding': encoding, ...kept } = answer.headers
      resolve({ status: answer.statusCode, headers: kept, body: Buffer.concat(chunks) })
    })
    onward.on('error', reject)
    onward.end(body)
  })
}

server.listen(0, '127.0.0.1', () => console.log(`listening on http://127.0.0.1:${server.address().port}`))
