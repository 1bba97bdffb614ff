// Servers that ask back in mid-call: elicitation by form and by URL, sampling, roots.

import assert from 'node:assert/strict';

import { target } from '../target.mjs';
import { all, eventually, refused } from './steps.mjs';

const form = (peer) => peer.callTool({ name: target.name('trigger-elicitation-request') });
const texts = (result) => result.content.map((part) => part.text);

export const asking = {
  'a form is filled in': async (peer) => {
    const content = { name: 'Ada', check: true, integer: 7, number: 2.5, firstLine: 'Es war …' };
    peer.person.answers['elicitation/create'] = () => ({ action: 'accept', content });
    const result = await form(peer);

    const asked = await peer.person.notices('elicitation/create');
    assert.equal(asked.message, 'Please provide inputs for the following fields:');
    assert.deepEqual(asked.requestedSchema.required, ['name']);
    assert.equal(Object.keys(asked.requestedSchema.properties).length, 13);
    assert.equal(asked.requestedSchema.properties.number.default, 3.14);
    assert.deepEqual(asked.requestedSchema.properties.legacyTitledEnum.enumNames, [
      'Cats',
      'Dogs',
      'Birds',
      'Fish',
      'Reptiles',
    ]);
    const [first, second, raw] = texts(result);
    assert.match(first, /^✅/);
    assert.match(second, /- Name: Ada\n/);
    assert.deepEqual(JSON.parse(raw.slice(raw.indexOf('{'))), { action: 'accept', content });
  },

  'a form is declined, or put away': async (peer) => {
    peer.person.answers['elicitation/create'] = () => ({ action: 'decline' });
    assert.match(texts(await form(peer))[0], /^❌/);
    peer.person.answers['elicitation/create'] = () => ({ action: 'cancel' });
    assert.match(texts(await form(peer))[0], /^⚠️/);
  },

  'a URL is opened': async (peer) => {
    peer.person.answers['elicitation/create'] = () => ({ action: 'accept' });
    const result = await peer.callTool({
      name: target.name('trigger-url-elicitation'),
      arguments: { url: 'https://example.com/a?b=c%20d', message: 'Please look.' },
    });

    const asked = await peer.person.notices('elicitation/create');
    assert.equal(asked.mode, 'url');
    assert.equal(asked.url, 'https://example.com/a?b=c%20d');
    assert.equal(asked.message, 'Please look.');
    if (peer.era === 'legacy') assert.ok(asked.elicitationId, 'an id to hear of its end by');
    else assert.equal(asked.elicitationId, undefined);
    assert.match(texts(result)[0], /^✅/);
  },

  'a URL that must be opened first is opened first': async (peer) => {
    peer.person.answers['elicitation/create'] = () => ({ action: 'accept' });
    const call = () =>
      peer.callTool({
        name: target.name('trigger-url-elicitation'),
        arguments: { url: 'https://example.com/second', errorPath: true },
      });
    if (peer.era === 'legacy' && target.upstream === 'legacy') {
      await assert.rejects(call(), (error) => {
        assert.equal(error.code, -32042);
        assert.equal(error.data.elicitations[0].url, 'https://modelcontextprotocol.io');
        return true;
      });
    }
    assert.match(texts(await call())[0], /^✅/);
    const urls = peer.person.asked.map(({ params }) => params.url);
    assert.equal(urls.at(-1), 'https://example.com/second');
  },

  'a model is asked': async (peer) => {
    const result = await peer.callTool({
      name: target.name('trigger-sampling-request'),
      arguments: { prompt: 'grüße, 世界', maxTokens: 77 },
    });

    const asked = await peer.person.notices('sampling/createMessage');
    assert.equal(
      asked.messages[0].content.text,
      'Resource trigger-sampling-request context: grüße, 世界',
    );
    assert.equal(asked.systemPrompt, 'You are a helpful test server.');
    assert.equal(asked.maxTokens, 77);
    assert.equal(asked.temperature, 0.7);
    const [text] = texts(result);
    assert.deepEqual(JSON.parse(text.slice(text.indexOf('{'))), {
      role: 'assistant',
      model: 'a model',
      stopReason: 'endTurn',
      content: { type: 'text', text: 'an answer' },
    });
  },

  'a model that refuses is a failure of the call': async (peer) => {
    peer.person.answers['sampling/createMessage'] = () => {
      throw Object.assign(new Error('the person said no'), { code: -1 });
    };
    const name = target.name('trigger-sampling-request');
    await assert.rejects(refused(peer.callTool({ name, arguments: { prompt: 'x' } })), /said no/);
  },

  'roots are shown, and shown anew when they changed': async (peer) => {
    const name = target.name('get-roots-list');
    const shows = (root) => async () => texts(await peer.callTool({ name }))[0].includes(root);
    const move = async (root) => {
      const roots = [{ uri: `file:///people/${root.toLowerCase()}`, name: root }];
      peer.person.answers['roots/list'] = () => ({ roots });
      await peer.client.sendRootsListChanged();
      await eventually(
        `the roots of ${root} are shown`,
        shows(`1. ${root}\n   URI: ${roots[0].uri}`),
      );
    };

    assert.ok(await shows('1. Ada\n   URI: file:///people/ada')());
    // Nothing tells of changes in the modern era, where roots are asked for in each call.
    if (peer.era === 'modern') return;
    await move('Grace');
    await move('Ada');
  },

  'several calls ask at the same time, each gets its own answer': async (peer) => {
    peer.person.answers['sampling/createMessage'] = ({ maxTokens }) => ({
      role: 'assistant',
      model: 'a model',
      content: { type: 'text', text: `answer ${maxTokens}` },
    });
    const name = target.name('trigger-sampling-request');
    const answers = await Promise.all(
      [1, 2, 3, 4, 5].map((maxTokens) =>
        peer.callTool({ name, arguments: { prompt: 'x', maxTokens } }),
      ),
    );
    answers.forEach((answer, n) => assert.ok(texts(answer)[0].includes(`answer ${n + 1}"`)));
  },
};

/** What holds for a client that declared nothing. */
export const notAsked = {
  'a client that declared nothing is asked nothing': async (peer) => {
    await all('tools', (params) => peer.listTools(params));
    for (const own of [
      'trigger-elicitation-request',
      'trigger-sampling-request',
      'get-roots-list',
    ]) {
      await assert.rejects(
        refused(peer.callTool({ name: target.name(own), arguments: { prompt: 'x' } })),
        own,
      );
    }
    assert.deepEqual(peer.person.asked, []);
  },
};
