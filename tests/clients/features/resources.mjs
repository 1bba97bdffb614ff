// Resources, templates, completion of their variables, and what is told of changes.

import assert from 'node:assert/strict';

import { target } from '../target.mjs';
import { all, eventually } from './steps.mjs';

const DOCUMENT = 'demo://resource/static/document/features.md';
const TEXT = 'demo://resource/dynamic/text/{resourceId}';
const BLOB = 'demo://resource/dynamic/blob/{resourceId}';

export const resources = {
  'resources are listed and read': async (peer) => {
    const found = await all('resources', (params) => peer.listResources(params));
    const document = found.find((resource) => resource.uri === target.uri(DOCUMENT));
    assert.equal(document?.mimeType, 'text/markdown', JSON.stringify(found));

    const { contents } = await peer.readResource({ uri: document.uri });
    assert.equal(contents[0].uri, document.uri);
    assert.equal(contents[0].mimeType, 'text/markdown');
    assert.match(contents[0].text, /^# /);
  },

  'templates are listed and filled in': async (peer) => {
    const found = await all('resourceTemplates', (params) => peer.listResourceTemplates(params));
    assert.deepEqual(
      found.map((template) => template.uriTemplate).sort(),
      [target.uri(BLOB), target.uri(TEXT)].sort(),
    );

    const uri = target.uri(BLOB.replace('{resourceId}', '5'));
    const { contents } = await peer.readResource({ uri });
    assert.equal(contents[0].uri, uri);
    assert.match(Buffer.from(contents[0].blob, 'base64').toString(), /^Resource 5: /);
  },

  "a template's variable is completed": async (peer) => {
    const { completion } = await peer.client.complete({
      ref: { type: 'ref/resource', uri: target.uri(TEXT) },
      argument: { name: 'resourceId', value: '12' },
    });
    assert.deepEqual(completion.values, ['12']);
  },

  'an unknown resource is refused': async (peer) => {
    await assert.rejects(
      peer.readResource({ uri: target.uri('demo://resource/no/such') }),
      (error) => {
        assert.ok([-32602, -32002].includes(error.code), String(error));
        if (peer.era === 'modern') assert.equal(error.code, -32602);
        return true;
      },
    );
  },

  'a watched resource is told of when it changes, and no longer when it is not watched': async (
    peer,
  ) => {
    const uri = target.uri('demo://resource/dynamic/text/1');
    const toggle = () => peer.callTool({ name: target.name('toggle-subscriber-updates') });
    const unwatch = await peer.watch(uri);

    // An endpoint may take a moment to have the server watched; two toggles are as none.
    const told = () =>
      peer.person.heard.find(({ method }) => method === 'notifications/resources/updated');
    await eventually('the change is told', async () => {
      await toggle();
      await toggle();
      return told();
    });
    assert.equal(told().params.uri, uri);

    await unwatch();
    const before = peer.person.heard.length;
    await toggle();
    await toggle();
    const after = peer.person.heard.slice(before).map(({ method }) => method);
    assert.ok(!after.includes('notifications/resources/updated'), String(after));
  },

  'a list that changed is read anew, and so is what is new in it': async (peer) => {
    const { content } = await peer.callTool({
      name: target.name('gzip-file-as-resource'),
      arguments: { name: 'greeting.gz', data: 'data:text/plain,hello', outputType: 'resourceLink' },
    });
    const uri = target.uri('demo://resource/session/greeting.gz');
    assert.equal(content[0].uri, uri);
    const isNew = ({ resources }) => resources?.some((resource) => resource.uri === uri);
    await peer.person.notices('refreshed', isNew);

    const { contents } = await peer.readResource({ uri });
    assert.equal(contents[0].mimeType, 'application/gzip');
  },
};
