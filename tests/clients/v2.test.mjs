// The TypeScript SDK v2 in each of its modes, and at each older revision.
//
//   MCP_MODES  which to try, default "legacy,auto,pinned,2025-06-18,2025-03-26,2024-11-05"
//   MCP_AUTO   the era that the endpoint offers a client that asks: "modern" (default) or "legacy"

import assert from 'node:assert/strict';
import { describe, test } from 'node:test';

import { everyFeature } from './features/all.mjs';
import { connect, MODES } from './sdk/v2.mjs';

const auto = process.env.MCP_AUTO ?? 'modern';
const newest = { legacy: '2025-11-25', modern: '2026-07-28' };
const eras = { auto, pinned: 'modern' };

for (const mode of process.env.MCP_MODES?.split(',') ?? Object.keys(MODES)) {
  const era = eras[mode] ?? 'legacy';
  const version = MODES[mode].versions?.[0] ?? newest[era];
  everyFeature(`SDK v2, mode ${mode}`, (capabilities) => connect(mode, capabilities), version);

  describe(`SDK v2, mode ${mode}, and its era`, () => {
    test(`the era is ${era}, the version ${version}`, async () => {
      const peer = await connect(mode);
      assert.equal(peer.era, era);
      assert.equal(peer.client.getNegotiatedProtocolVersion(), version);
      const hasSession = peer.transport.sessionId !== undefined;
      assert.equal(hasSession, peer.era === 'legacy', 'only legacy has sessions');
      await peer.close();
    });
  });
}
