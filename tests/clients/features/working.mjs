// What a call tells while it works: progress, logs; and what stops it.

import assert from 'node:assert/strict';

import { target } from '../target.mjs';

const LOG_LEVEL = 'io.modelcontextprotocol/logLevel';

const work = (peer, seconds, steps, options) =>
  peer.callTool(
    {
      name: target.name('trigger-long-running-operation'),
      arguments: { duration: seconds, steps },
    },
    options,
  );

export const working = {
  'progress is seen, in order': async (peer) => {
    const seen = [];
    const done = await work(peer, 0.6, 3, {
      onprogress: ({ progress, total }) => seen.push(`${progress}/${total}`),
    });

    assert.match(done.content[0].text, /completed/);
    // The last one races with the result inside the SDKs: either may be handled first.
    assert.deepEqual(seen.slice(0, 2), ['1/3', '2/3']);
  },

  'progress of simultaneous calls is not mixed up': async (peer) => {
    const run = async (steps) => {
      const totals = new Set();
      await work(peer, 0.4, steps, { onprogress: ({ total }) => totals.add(total) });
      return [...totals];
    };
    assert.deepEqual(await Promise.all([run(2), run(3), run(4)]), [[2], [3], [4]]);
  },

  'progress puts off the time limit of a call': async (peer) => {
    const done = await work(peer, 2, 8, {
      onprogress: () => {},
      timeout: 1000,
      resetTimeoutOnProgress: true,
    });
    assert.match(done.content[0].text, /completed/);
  },

  'a call whose stream breaks goes on where it was': async (peer) => {
    if (!peer.breakStreams) return;
    const seen = [];
    const done = await work(peer, 1, 5, {
      onprogress: ({ progress }) => {
        if (seen.push(progress) === 1) peer.breakStreams();
      },
    });

    assert.match(done.content[0].text, /completed/);
    assert.deepEqual(seen.slice(0, 4), [1, 2, 3, 4], 'nothing is lost or told twice');
  },

  'a cancelled call ends at once, and others go on': async (peer) => {
    const other = work(peer, 1, 2, {});
    const started = Date.now();
    const stop = new AbortController();
    const call = work(peer, 60, 600, {
      signal: stop.signal,
      onprogress: () => stop.abort('enough'),
    });

    await assert.rejects(call, /enough/);
    assert.ok(Date.now() - started < 10_000);
    assert.match((await other).content[0].text, /completed/);
    if (target.upstream === 'modern') {
      const { content } = await peer.callTool({ name: target.name('get-stopped-operations') });
      assert.notEqual(content[0].text, '0', 'the server was told');
    }
  },

  'logs are told, from the wanted level up': async (peer) => {
    // A server of the legacy era logs this outside any call, where a client of the modern era
    // hears nothing; logs in a call are told by the conformance suite and the differential test.
    if (target.throughGateway && target.upstream === 'legacy' && peer.era === 'modern') return;
    const name = target.name('toggle-simulated-logging');
    const toggle = (level) =>
      peer.callTool(peer.era === 'modern' ? { name, _meta: { [LOG_LEVEL]: level } } : { name });
    if (peer.era === 'legacy') await peer.client.setLoggingLevel('debug');

    await toggle('debug');
    const { level, data } = await peer.person.notices('notifications/message', ({ data }) =>
      /-message|-level/.test(data),
    );
    assert.ok(data.toLowerCase().includes(level), data);
    await toggle('debug');
  },

  'a ping is answered': async (peer) => {
    if (peer.era === 'legacy') assert.deepEqual(await peer.client.ping(), {});
  },
};
