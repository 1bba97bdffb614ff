// Tools: lists, calls, every kind of content, refusals.

import assert from 'node:assert/strict';

import { target } from '../target.mjs';
import { all, refused } from './steps.mjs';

export const tools = {
  'tools are listed, each once and in the same order each time': async (peer) => {
    const tools = await all('tools', (params) => peer.listTools(params));
    const names = tools.map((tool) => tool.name);

    for (const own of ['echo', 'get-structured-content', 'trigger-elicitation-request']) {
      assert.ok(names.includes(target.name(own)), `${own} is listed: ${names}`);
    }
    assert.equal(new Set(names).size, names.length, 'no tool is listed twice');
    for (const tool of tools) assert.equal(tool.inputSchema.type, 'object', tool.name);
    const again = await all('tools', (params) => peer.listTools(params));
    assert.deepEqual(
      again.map((tool) => tool.name),
      names,
    );
    if (!target.disabled) return;
    assert.ok(!names.includes(target.disabled), 'a disabled tool is not listed');
    await assert.rejects(
      refused(peer.callTool({ name: target.disabled, arguments: { a: 1, b: 2 } })),
      'a disabled tool is refused',
    );
  },

  'a tool is described in full': async (peer) => {
    const tools = await all('tools', (params) => peer.listTools(params));
    const annotated = tools.find((tool) => tool.name === target.name('get-annotated-message'));
    assert.equal(annotated.title, 'Get Annotated Message Tool');
    assert.deepEqual(annotated.annotations, {
      readOnlyHint: true,
      destructiveHint: false,
      idempotentHint: true,
      openWorldHint: false,
    });
    assert.deepEqual(annotated.inputSchema.properties.messageType.enum, [
      'error',
      'success',
      'debug',
    ]);
    const structured = tools.find((tool) => tool.name === target.name('get-structured-content'));
    assert.deepEqual(structured.outputSchema.required, ['temperature', 'conditions', 'humidity']);
  },

  'text comes back as it went in': async (peer) => {
    const message = 'grüße, 世界 🌍 "\\\u0007\u2028';
    const echo = await peer.callTool({ name: target.name('echo'), arguments: { message } });
    assert.deepEqual(echo.content, [{ type: 'text', text: `Echo: ${message}` }]);
  },

  'structured content comes with its text': async (peer) => {
    const name = target.name('get-structured-content');
    const result = await peer.callTool({ name, arguments: { location: 'Chicago' } });
    const weather = { temperature: 36, conditions: 'Light rain / drizzle', humidity: 82 };
    assert.deepEqual(result.structuredContent, weather);
    assert.deepEqual(JSON.parse(result.content[0].text), weather);
  },

  'a picture is a picture': async (peer) => {
    const result = await peer.callTool({ name: target.name('get-tiny-image'), arguments: {} });
    const image = result.content.find((part) => part.type === 'image');
    assert.equal(image.mimeType, 'image/png');
    assert.deepEqual([...Buffer.from(image.data, 'base64').subarray(1, 4)], [0x50, 0x4e, 0x47]);
  },

  'annotations of content are kept': async (peer) => {
    const result = await peer.callTool({
      name: target.name('get-annotated-message'),
      arguments: { messageType: 'error', includeImage: true },
    });
    assert.deepEqual(result.content[0], {
      type: 'text',
      text: 'Error: Operation failed',
      annotations: { priority: 1, audience: ['user', 'assistant'] },
    });
    assert.deepEqual(result.content[1].annotations, { priority: 0.5, audience: ['user'] });
  },

  'resource links lead to resources': async (peer) => {
    const name = target.name('get-resource-links');
    const { content } = await peer.callTool({ name, arguments: { count: 2 } });
    const links = content.filter((part) => part.type === 'resource_link');
    assert.deepEqual(
      links.map((link) => link.uri),
      ['blob/1', 'text/2'].map((end) => target.uri(`demo://resource/dynamic/${end}`)),
    );

    const { contents } = await peer.readResource({ uri: links[1].uri });
    assert.equal(contents[0].uri, links[1].uri);
    assert.match(contents[0].text, /^Resource 2: /);
  },

  'an embedded resource names where it is from': async (peer) => {
    const name = target.name('get-resource-reference');
    const arguments_ = { resourceType: 'Blob', resourceId: 7 };
    const { content } = await peer.callTool({ name, arguments: arguments_ });
    assert.equal(content[1].type, 'resource');
    assert.equal(content[1].resource.uri, target.uri('demo://resource/dynamic/blob/7'));
    assert.match(Buffer.from(content[1].resource.blob, 'base64').toString(), /^Resource 7: /);
  },

  'simultaneous calls keep their answers': async (peer) => {
    const answers = await Promise.all(
      Array.from({ length: 20 }, (_, n) =>
        peer.callTool({ name: target.name('echo'), arguments: { message: `n${n}` } }),
      ),
    );
    assert.deepEqual(
      answers.map((answer) => answer.content[0].text),
      Array.from({ length: 20 }, (_, n) => `Echo: n${n}`),
    );
  },

  'an unknown tool and bad arguments are refused by name': async (peer) => {
    await assert.rejects(
      refused(peer.callTool({ name: target.name('no-such-tool'), arguments: {} })),
      /no-such-tool/,
    );
    await assert.rejects(
      refused(peer.callTool({ name: target.name('echo'), arguments: { message: 5 } })),
      /message/,
    );
  },
};
