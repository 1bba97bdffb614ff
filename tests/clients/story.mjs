// One client's story, the same for every SDK, era and endpoint.

import assert from 'node:assert/strict';

import { allTools, target } from './target.mjs';

/**
 * Lists the tools, calls one, watches one at work, and is refused what is not there.
 *
 * @param client {{listTools: Function, callTool: Function}} a connected client; `callTool` takes
 *   `(params, {onprogress})`
 */
export async function story(client) {
  const tools = await allTools((params) => client.listTools(params));
  const names = tools.map((tool) => tool.name);
  assert.ok(names.includes(target.tool('echo')), `echo is listed: ${names}`);
  assert.equal(new Set(names).size, names.length, 'no tool is listed twice');
  for (const tool of tools) assert.equal(tool.inputSchema.type, 'object', tool.name);
  assert.deepEqual(
    (await allTools((params) => client.listTools(params))).map((tool) => tool.name),
    names,
    'the order is the same each time',
  );

  const echo = await client.callTool({
    name: target.tool('echo'),
    arguments: { message: 'grüße, 世界 🌍' },
  });
  assert.deepEqual(echo.content, [{ type: 'text', text: 'Echo: grüße, 世界 🌍' }]);

  const structured = await client.callTool({
    name: target.tool('get-structured-content'),
    arguments: { location: 'Chicago' },
  });
  assert.equal(typeof structured.structuredContent.temperature, 'number');

  const image = await client.callTool({ name: target.tool('get-tiny-image'), arguments: {} });
  assert.ok(image.content.some((part) => part.type === 'image' && part.mimeType === 'image/png'));

  await progressIsSeen(client);
  await simultaneousCallsKeepTheirAnswers(client);

  await assert.rejects(
    refused(client.callTool({ name: target.tool('no-such-tool'), arguments: {} })),
    /no-such-tool/,
    'an unknown tool is refused by name',
  );
  if (target.disabled) {
    assert.ok(!names.includes(target.disabled), 'a disabled tool is not listed');
    await assert.rejects(
      refused(client.callTool({ name: target.disabled, arguments: { message: 'x' } })),
      'a disabled tool is refused',
    );
  }
}

async function progressIsSeen(client) {
  const seen = [];
  const done = await client.callTool(
    {
      name: target.tool('trigger-long-running-operation'),
      arguments: { duration: 0.6, steps: 3 },
    },
    { onprogress: ({ progress, total }) => seen.push(`${progress}/${total}`) },
  );

  assert.match(done.content[0].text, /completed/);
  // The last one races with the result inside the SDKs: either may be handled first.
  assert.deepEqual(seen.slice(0, 2), ['1/3', '2/3'], 'progress arrives, in order');
}

async function simultaneousCallsKeepTheirAnswers(client) {
  const answers = await Promise.all(
    Array.from({ length: 20 }, (_, n) =>
      client.callTool({ name: target.tool('echo'), arguments: { message: `n${n}` } }),
    ),
  );

  assert.deepEqual(
    answers.map((answer) => answer.content[0].text),
    Array.from({ length: 20 }, (_, n) => `Echo: n${n}`),
  );
}

// Servers of SDK 1.x answer an unknown tool with an `isError` result, others with an error.
async function refused(call) {
  const result = await call;
  if (result.isError) throw new Error(result.content[0].text);
}
