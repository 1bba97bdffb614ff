// Prompts, and completion of their arguments.

import assert from 'node:assert/strict';

import { target } from '../target.mjs';
import { all } from './steps.mjs';

export const prompts = {
  'prompts are listed with their arguments': async (peer) => {
    const found = await all('prompts', (params) => peer.listPrompts(params));
    assert.deepEqual(
      found.map((prompt) => prompt.name).sort(),
      ['args-prompt', 'completable-prompt', 'resource-prompt', 'simple-prompt'].map(target.name),
    );
    const withArguments = found.find((prompt) => prompt.name === target.name('args-prompt'));
    assert.equal(withArguments.title, 'Arguments Prompt');
    assert.deepEqual(
      withArguments.arguments.map(({ name, required }) => [name, required]),
      [
        ['city', true],
        ['state', false],
      ],
    );
  },

  'a prompt is got, with and without arguments': async (peer) => {
    const simple = await peer.client.getPrompt({ name: target.name('simple-prompt') });
    assert.deepEqual(simple.messages, [
      {
        role: 'user',
        content: { type: 'text', text: 'This is a simple prompt without arguments.' },
      },
    ]);

    const withArguments = await peer.client.getPrompt({
      name: target.name('args-prompt'),
      arguments: { city: 'Köln', state: 'NRW' },
    });
    assert.equal(withArguments.messages[0].content.text, "What's weather in Köln, NRW?");
  },

  'a resource in a prompt names where it is from': async (peer) => {
    const { messages } = await peer.client.getPrompt({
      name: target.name('resource-prompt'),
      arguments: { resourceType: 'Text', resourceId: '3' },
    });
    assert.equal(messages[1].content.type, 'resource');
    assert.equal(messages[1].content.resource.uri, target.uri('demo://resource/dynamic/text/3'));
  },

  'an unknown prompt is refused': async (peer) => {
    await assert.rejects(peer.client.getPrompt({ name: target.name('no-such-prompt') }), {
      code: -32602,
    });
  },

  "a prompt's arguments are completed, the later by the earlier": async (peer) => {
    const ref = { type: 'ref/prompt', name: target.name('completable-prompt') };
    const department = await peer.client.complete({
      ref,
      argument: { name: 'department', value: 'S' },
    });
    assert.deepEqual(department.completion.values, ['Sales', 'Support']);

    const name = await peer.client.complete({
      ref,
      argument: { name: 'name', value: '' },
      context: { arguments: { department: 'Sales' } },
    });
    assert.deepEqual(name.completion.values, ['David', 'Eve', 'Frank']);
  },
};
