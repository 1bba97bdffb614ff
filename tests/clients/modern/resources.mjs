// Resources, templates, and what is told of changes.

import { ResourceTemplate } from '@modelcontextprotocol/server';
import { gzipSync } from 'node:zlib';
import { z } from 'zod';

import { texts } from './answers.mjs';

export const TEXT = 'demo://resource/dynamic/text/{resourceId}';
export const BLOB = 'demo://resource/dynamic/blob/{resourceId}';
const DOCUMENT = 'demo://resource/static/document/features.md';

/** The resource of a type ("Text" or "Blob") and a number. */
export function dynamic(type, id) {
  const content = `Resource ${id}: made of nothing`;
  const uri = (type === 'Text' ? TEXT : BLOB).replace('{resourceId}', id);
  return type === 'Text'
    ? { uri, mimeType: 'text/plain', text: content }
    : { uri, mimeType: 'text/plain', blob: Buffer.from(content).toString('base64') };
}

export function registerResources(server, state) {
  server.registerResource('features.md', DOCUMENT, { mimeType: 'text/markdown' }, async () => ({
    contents: [{ uri: DOCUMENT, mimeType: 'text/markdown', text: '# Features\n' }],
  }));
  for (const [type, template] of [
    ['Text', TEXT],
    ['Blob', BLOB],
  ]) {
    const complete = { resourceId: (value) => (Number(value) > 0 ? [value] : []) };
    server.registerResource(
      `Dynamic ${type} Resource`,
      new ResourceTemplate(template, { list: undefined, complete }),
      { mimeType: 'text/plain' },
      async (_uri, { resourceId }) => ({ contents: [dynamic(type, resourceId)] }),
    );
  }
  for (const [uri, { name, blob }] of state.made) {
    server.registerResource(name, uri, { mimeType: 'application/gzip' }, async () => ({
      contents: [{ uri, mimeType: 'application/gzip', blob }],
    }));
  }
  server.registerTool(
    'gzip-file-as-resource',
    {
      description: 'Makes a resource.',
      inputSchema: z.object({ name: z.string(), data: z.string(), outputType: z.string() }),
    },
    async ({ name, data }) => {
      const uri = `demo://resource/session/${name}`;
      state.made.set(uri, { name, blob: gzipSync(data).toString('base64') });
      state.notify.resourcesChanged();
      return { content: [{ type: 'resource_link', uri, name, mimeType: 'application/gzip' }] };
    },
  );
  server.registerTool(
    'toggle-subscriber-updates',
    { description: 'Tells of a change, every other time.', inputSchema: z.object({}) },
    async () => {
      state.updates = !state.updates;
      if (state.updates) state.notify.resourceUpdated(TEXT.replace('{resourceId}', '1'));
      return texts(state.updates ? 'Told.' : 'Stopped.');
    },
  );
}
