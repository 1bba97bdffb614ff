// An upstream that speaks 2026-07-28 and nothing else, on the official SDK: it offers what
// server-everything does, as far as the features in `features/` go. Prints its URL when it listens.
//
//   node modern-server.mjs [port]

import { createServer } from 'node:http';

import { toNodeHandler } from '@modelcontextprotocol/node';
import { createMcpHandler, McpServer } from '@modelcontextprotocol/server';

import { registerAsking } from './modern/asking.mjs';
import { registerPrompts } from './modern/prompts.mjs';
import { registerResources } from './modern/resources.mjs';
import { registerTools } from './modern/tools.mjs';
import { registerWorking } from './modern/working.mjs';

// A server is made for each request; what stays is here.
const state = { notify: undefined, updates: false, stopped: 0, made: new Map() };

function everything() {
  const server = new McpServer(
    { name: 'modern', version: '1' },
    {
      capabilities: {
        logging: {},
        prompts: { listChanged: true },
        resources: { listChanged: true, subscribe: true },
        tools: { listChanged: true },
      },
      instructions: 'Speaks 2026-07-28.',
    },
  );
  for (const register of [
    registerTools,
    registerPrompts,
    registerResources,
    registerWorking,
    registerAsking,
  ]) {
    register(server, state);
  }
  return server;
}

const mcp = createMcpHandler(everything, { legacy: 'reject' });
state.notify = mcp.notify;
const handler = toNodeHandler(mcp);
const server = createServer((request, response) => handler(request, response));
server.listen(Number(process.argv[2] ?? 0), '127.0.0.1', () => {
  console.log(`http://127.0.0.1:${server.address().port}/mcp`);
});
