// The TypeScript SDK v1, as most clients in the field use it.

import assert from 'node:assert/strict';
import test from 'node:test';

import { Client } from '@modelcontextprotocol/sdk/client/index.js';
import { StreamableHTTPClientTransport } from '@modelcontextprotocol/sdk/client/streamableHttp.js';
import { CallToolResultSchema } from '@modelcontextprotocol/sdk/types.js';

import { story } from './story.mjs';
import { target } from './target.mjs';

async function connect() {
  const client = new Client({ name: 'v1', version: '1' });
  const transport = new StreamableHTTPClientTransport(target.url, {
    requestInit: { headers: target.headers },
  });
  await client.connect(transport);
  return { client, transport };
}

test('SDK v1 lists and calls tools in a session', async () => {
  const { client, transport } = await connect();
  assert.ok(transport.sessionId, 'the server gave a session');
  assert.equal(transport.protocolVersion, '2025-11-25');

  await client.ping();
  await story({
    listTools: (params) => client.listTools(params),
    callTool: (params, options) => client.callTool(params, CallToolResultSchema, options),
  });

  await client.close();
});

test('SDK v1 ends its session, which then opens nothing', async () => {
  const { client, transport } = await connect();
  const session = transport.sessionId;

  await transport.terminateSession();

  const answer = await fetch(target.url, {
    method: 'POST',
    headers: {
      ...target.headers,
      accept: 'application/json, text/event-stream',
      'content-type': 'application/json',
      'mcp-protocol-version': '2025-11-25',
      'mcp-session-id': session,
    },
    body: JSON.stringify({ jsonrpc: '2.0', id: 1, method: 'tools/list' }),
  });
  await answer.text();
  // 404 is what makes a client start anew; server-everything itself says 400.
  const ended = process.env.MCP_ENDED_SESSION ?? '404';
  assert.equal(String(answer.status), ended);
  await client.close();
});
