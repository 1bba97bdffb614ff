// The TypeScript SDK v2 in each of its modes.

import { Client, StreamableHTTPClientTransport } from '@modelcontextprotocol/client';

import { target } from '../target.mjs';
import { EVERYTHING, Person } from './person.mjs';
import { breakableFetch } from './wire.mjs';

/** By name: how the version is agreed on. */
export const MODES = {
  legacy: { mode: 'legacy' },
  auto: { mode: 'auto' },
  pinned: { mode: { pin: '2026-07-28' } },
  '2025-06-18': { mode: 'legacy', versions: ['2025-06-18'] },
  '2025-03-26': { mode: 'legacy', versions: ['2025-03-26'] },
  '2024-11-05': { mode: 'legacy', versions: ['2024-11-05'] },
};

const ASKING = {
  elicitation: 'elicitation/create',
  roots: 'roots/list',
  sampling: 'sampling/createMessage',
};
// Always fetched, and kept: results are then checked against the output schemas.
const FRESH = { cacheMode: 'refresh' };

/**
 * Connects.
 *
 * @param modeName {keyof MODES}
 * @param capabilities what the client declares, everything unless said
 */
export async function connect(modeName, capabilities = EVERYTHING) {
  const person = new Person();
  const { mode, versions } = MODES[modeName];
  const client = new Client(
    { name: 'v2', version: '1' },
    {
      capabilities,
      versionNegotiation: { mode },
      ...(versions && { supportedProtocolVersions: versions }),
      listChanged: { resources: { onChanged: (_error, items) => person.refreshed(items) } },
    },
  );
  for (const [capability, method] of Object.entries(ASKING)) {
    if (!capabilities[capability]) continue;
    client.setRequestHandler(method, ({ params }) => person.answer(method, params));
  }
  client.fallbackNotificationHandler = async ({ method, params }) => person.hear(method, params);
  const wire = breakableFetch();
  const transport = new StreamableHTTPClientTransport(target.url, {
    requestInit: { headers: target.headers },
    fetch: wire.fetch,
  });
  await client.connect(transport);
  const era = client.getProtocolEra();

  return {
    era,
    /** Absent where a broken stream is the end of the call. */
    breakStreams: era === 'legacy' ? wire.breakStreams : undefined,
    client,
    transport,
    person,
    callTool: (params, options) => client.callTool(params, options),
    listTools: (params) => client.listTools(params, FRESH),
    listPrompts: (params) => client.listPrompts(params, FRESH),
    listResources: (params) => client.listResources(params, FRESH),
    listResourceTemplates: (params) => client.listResourceTemplates(params, FRESH),
    readResource: (params) => client.readResource(params, FRESH),
    async watch(uri) {
      if (era === 'modern') {
        const subscription = await client.listen({ resourceSubscriptions: [uri] });
        return () => subscription.close();
      }
      await client.subscribeResource({ uri });
      return () => client.unsubscribeResource({ uri });
    },
    async close() {
      if (era === 'legacy') await transport.terminateSession();
      await client.close();
    },
  };
}
