// An upstream that counts what it did, ticks, waits and asks. Written without an SDK, so that what
// it sends leaves at once and a call ends when this file says so. Over HTTP it prints its URL.
//
//   node cluster-server.mjs http|stdio legacy|modern

import { randomUUID } from 'node:crypto';
import { createServer } from 'node:http';
import { createInterface } from 'node:readline';

const [, , transport, era] = process.argv;
const modern = era === 'modern';
const says = (text) => ({ content: [{ type: 'text', text: String(text) }] });
const pause = (ms) => new Promise((resolve) => setTimeout(resolve, ms));
const form = {
  method: 'elicitation/create',
  params: {
    mode: 'form',
    message: 'Who is there?',
    requestedSchema: { type: 'object', properties: { name: { type: 'string' } } },
  },
};

let begun = 0;

/** By name; a call has `args`, `headers`, `progress(n)` and `ask()`. */
const tools = {
  echo: ({ args }) => says(args.text),
  pid: () => says(process.pid),
  begun: () => says(begun),
  /** How long the marked header is that was sent. */
  seen: ({ headers }) => says(headers['x-marked']?.length ?? 0),
  hold: async ({ args }) => {
    begun += 1;
    await pause(args.ms);
    return says('held');
  },
  tick: async ({ args, progress }) => {
    for (let n = 1; n <= args.count; n += 1) {
      progress(n);
      await pause(args.every);
    }
    return says('ticked');
  },
  ask: async ({ ask }) => {
    const answer = await ask();
    return answer.resultType ? answer : says(`Hello, ${answer.content?.name}!`);
  },
};
const streaming = new Set(['tick', 'ask']);
const definitions = Object.keys(tools).map((name) => ({
  name,
  description: `The tool ${name}.`,
  inputSchema: { type: 'object' },
}));

const asked = new Map();

/** The answer to a request; `tell` sends what comes before it. */
async function answer({ id, method, params = {} }, headers, tell) {
  const result = await run(method, params, headers, tell);
  if (result === undefined) {
    return { jsonrpc: '2.0', id, error: { code: -32601, message: 'Method not found' } };
  }
  return { jsonrpc: '2.0', id, result: modern ? { resultType: 'complete', ...result } : result };
}

async function run(method, params, headers, tell) {
  if (method === (modern ? 'server/discover' : 'initialize')) return about(params);
  if (method === 'ping') return {};
  if (method === 'tools/list') {
    return { tools: definitions, ...(modern && { ttlMs: 0, cacheScope: 'private' }) };
  }
  if (method !== 'tools/call') return undefined;
  return tools[params.name]?.({
    args: params.arguments ?? {},
    headers,
    progress: (n) => progress(params._meta?.progressToken, n, tell),
    ask: () => (modern ? askAgain(params) : askNow(tell)),
  });
}

function about({ protocolVersion }) {
  const common = { capabilities: { tools: {} }, serverInfo: { name: 'cluster', version: '1' } };
  if (!modern) return { protocolVersion, ...common };
  return { supportedVersions: ['2026-07-28'], ttlMs: 0, cacheScope: 'private', ...common };
}

function progress(progressToken, n, tell) {
  if (progressToken === undefined) return;
  const params = { progressToken, progress: n };
  tell({ jsonrpc: '2.0', method: 'notifications/progress', params });
}

/** The client comes back with the answers. */
function askAgain({ inputResponses }) {
  const question = {
    resultType: 'input_required',
    inputRequests: { who: form },
    requestState: 'asked',
  };
  return inputResponses?.who ?? question;
}

/** The client answers while the call waits. */
function askNow(tell) {
  const id = randomUUID();
  tell({ jsonrpc: '2.0', id, ...form });
  return new Promise((resolve) => asked.set(id, resolve));
}

/** A reply to what was asked, or a notification. */
function take({ id, result }) {
  asked.get(id)?.(result ?? { action: 'cancel' });
  asked.delete(id);
}

async function serve(request, response) {
  if (request.method !== 'POST') return response.writeHead(405).end();
  const message = JSON.parse(Buffer.concat(await request.toArray()));
  if (message.id === undefined || message.method === undefined) {
    take(message);
    return response.writeHead(202).end();
  }
  const session = message.method === 'initialize' ? { 'mcp-session-id': randomUUID() } : {};
  if (!streaming.has(message.params?.name)) {
    const body = JSON.stringify(await answer(message, request.headers, () => {}));
    return response.writeHead(200, { 'content-type': 'application/json', ...session }).end(body);
  }
  response.writeHead(200, { 'content-type': 'text/event-stream' }).flushHeaders();
  const tell = (event) => response.write(`data: ${JSON.stringify(event)}\n\n`);
  tell(await answer(message, request.headers, tell));
  return response.end();
}

if (transport === 'http') {
  const server = createServer(serve);
  server.listen(0, '127.0.0.1', () => {
    console.log(`http://127.0.0.1:${server.address().port}/mcp`);
  });
} else {
  const write = (message) => process.stdout.write(`${JSON.stringify(message)}\n`);
  const lines = createInterface({ input: process.stdin });
  lines.on('close', () => process.exit(0));
  lines.on('line', async (line) => {
    const message = JSON.parse(line);
    if (message.id === undefined || message.method === undefined) take(message);
    else write(await answer(message, {}, write));
  });
}
