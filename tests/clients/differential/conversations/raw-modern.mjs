// With raw-server.mjs in the modern era.

import { raw } from './raw.mjs';

const LEVEL = '"io.modelcontextprotocol/logLevel"';

export const conversation = raw('modern', [
  { ask: 'server/discover' },
  ...['debug', 'notice', 'error'].map((level) => ({
    ask: 'tools/call',
    params: `{"name":"work","_meta":{"progressToken":1,${LEVEL}:"${level}"}}`,
  })),
  {
    ask: 'tools/call',
    params: '{"name":"wait","_meta":{"progressToken":"\\u00e4 \\/"}}',
    cancel: 'notifications/progress',
  },
  { ask: 'tools/call', params: '{"name":"cancelled"}' },
]);
