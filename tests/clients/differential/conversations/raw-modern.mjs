// With raw-server.mjs in the modern era.

import { raw } from './raw.mjs';

const LEVEL = '"io.modelcontextprotocol/logLevel"';

export const conversation = raw('modern', [
  { ask: 'server/discover' },
  { ask: 'tools/call', params: `{"name":"work","_meta":{"progressToken":1,${LEVEL}:"debug"}}` },
]);
