// The TypeScript SDK v2 in each of its modes.
//
//   MCP_MODES  which modes to try, default "legacy,auto,pinned"
//   MCP_AUTO   the era that the endpoint offers a client that asks: "modern" (default) or "legacy"

import assert from 'node:assert/strict';
import test from 'node:test';

import { Client, StreamableHTTPClientTransport } from '@modelcontextprotocol/client';

import { story } from './story.mjs';
import { target } from './target.mjs';

const auto = process.env.MCP_AUTO ?? 'modern';
const modes = {
  legacy: { mode: 'legacy', era: 'legacy' },
  auto: { mode: 'auto', era: auto },
  pinned: { mode: { pin: '2026-07-28' }, era: 'modern' },
};
const versions = { legacy: '2025-11-25', modern: '2026-07-28' };

for (const name of (process.env.MCP_MODES ?? 'legacy,auto,pinned').split(',')) {
  const { mode, era } = modes[name];

  test(`SDK v2, mode ${name}, lists and calls tools in the ${era} era`, async () => {
    const client = new Client({ name: 'v2', version: '1' }, { versionNegotiation: { mode } });
    const transport = new StreamableHTTPClientTransport(target.url, {
      requestInit: { headers: target.headers },
    });
    await client.connect(transport);
    assert.equal(client.getProtocolEra(), era);
    assert.equal(client.getNegotiatedProtocolVersion(), versions[era]);
    assert.equal(transport.sessionId !== undefined, era === 'legacy', 'only legacy has sessions');

    if (era === 'legacy') await client.ping();
    await story({
      // Always fetched, and kept: results are then checked against the output schemas.
      listTools: (params) => client.listTools(params, { cacheMode: 'refresh' }),
      callTool: (params, options) => client.callTool(params, options),
    });

    if (era === 'legacy') await transport.terminateSession();
    await client.close();
  });
}
