// The TypeScript SDK v1 over each of its transports.
//
//   MCP_TRANSPORTS  which to try, default "http,sse,websocket"

import assert from 'node:assert/strict';
import { describe, test } from 'node:test';

import { everyFeature } from './features/all.mjs';
import { connect } from './sdk/v1.mjs';
import { target } from './target.mjs';

const transports = (process.env.MCP_TRANSPORTS ?? 'http,sse,websocket').split(',');

for (const name of transports) {
  everyFeature(`SDK v1 over ${name}`, (capabilities) => connect(name, capabilities));
}

describe('SDK v1 and its session', { skip: !transports.includes('http') }, () => {
  test('a session is agreed on, and opens nothing when it has ended', async () => {
    const { client, transport } = await connect('http');
    const session = transport.sessionId;
    assert.ok(session, 'the server gave a session');
    assert.equal(transport.protocolVersion, '2025-11-25');

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
});
