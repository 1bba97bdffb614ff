// The TypeScript SDK v1, as most clients in the field use it, over each of its transports.

import { Client } from '@modelcontextprotocol/sdk/client/index.js';
import { SSEClientTransport } from '@modelcontextprotocol/sdk/client/sse.js';
import { StreamableHTTPClientTransport } from '@modelcontextprotocol/sdk/client/streamableHttp.js';
import { WebSocketClientTransport } from '@modelcontextprotocol/sdk/client/websocket.js';
import {
  CallToolResultSchema,
  CreateMessageRequestSchema,
  ElicitRequestSchema,
  ListRootsRequestSchema,
} from '@modelcontextprotocol/sdk/types.js';
import { WebSocket } from 'ws';

import { target } from '../target.mjs';
import { EVERYTHING, Person } from './person.mjs';
import { breakableFetch } from './wire.mjs';

// The transport opens whatever the global class is, and gives it no headers.
globalThis.WebSocket = class extends WebSocket {
  constructor(url, protocols) {
    super(url, protocols, { headers: target.headers });
  }
};

const requestInit = { headers: target.headers };

/** Transports by name; where the last segment is not the endpoint's it is said in MCP_SSE_URL. */
export const TRANSPORTS = {
  http: ({ fetch }) => new StreamableHTTPClientTransport(target.url, { requestInit, fetch }),
  sse: () =>
    new SSEClientTransport(new URL(process.env.MCP_SSE_URL ?? `${target.url}/sse`), {
      requestInit,
    }),
  websocket: () => new WebSocketClientTransport(new URL(String(target.url).replace(/^http/, 'ws'))),
};

/**
 * Connects.
 *
 * @param transportName {keyof TRANSPORTS}
 * @param capabilities what the client declares, everything unless said
 */
export async function connect(transportName, capabilities = EVERYTHING) {
  const person = new Person();
  const client = new Client(
    { name: 'v1', version: '1' },
    {
      capabilities,
      listChanged: { resources: { onChanged: (_error, items) => person.refreshed(items) } },
    },
  );
  const schemas = [
    ['elicitation', ElicitRequestSchema],
    ['roots', ListRootsRequestSchema],
    ['sampling', CreateMessageRequestSchema],
  ];
  for (const [capability, schema] of schemas) {
    if (!capabilities[capability]) continue;
    client.setRequestHandler(schema, ({ method, params }) => person.answer(method, params));
  }
  client.fallbackNotificationHandler = async ({ method, params }) => person.hear(method, params);
  const wire = breakableFetch();
  const transport = TRANSPORTS[transportName](wire);
  await client.connect(transport);

  return {
    era: 'legacy',
    /** Absent where a broken connection is the end of the session. */
    breakStreams: transportName === 'http' ? wire.breakStreams : undefined,
    client,
    transport,
    person,
    callTool: (params, options) => client.callTool(params, CallToolResultSchema, options),
    listTools: (params) => client.listTools(params),
    listPrompts: (params) => client.listPrompts(params),
    listResources: (params) => client.listResources(params),
    listResourceTemplates: (params) => client.listResourceTemplates(params),
    readResource: (params) => client.readResource(params),
    async watch(uri) {
      await client.subscribeResource({ uri });
      return () => client.unsubscribeResource({ uri });
    },
    async close() {
      if (transportName === 'http') await transport.terminateSession();
      await client.close();
    },
  };
}
