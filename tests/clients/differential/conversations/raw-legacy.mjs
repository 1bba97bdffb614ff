// With raw-server.mjs in the legacy era.

import { raw } from './raw.mjs';

const call = (name, more = '') => ({ ask: 'tools/call', params: `{"name":"${name}"${more}}` });
const level = (word) => ({ ask: 'logging/setLevel', params: `{"level":"${word}"}` });
const TOKEN = ',"_meta":{"progressToken":"\\u00e4 \\/"}';

/** What a client of a revision can be asked, by its handshake. */
const CAPABILITIES = {
  '2024-11-05': '{"roots":{"listChanged":true},"sampling":{}}',
  '2025-03-26': '{"roots":{"listChanged":true},"sampling":{}}',
  '2025-06-18': '{"roots":{"listChanged":true},"sampling":{},"elicitation":{}}',
};

const MORE = [
  { ask: 'ping' },
  // Nobody has set a level up to here: the server says what it likes. From here on it is told.
  call('level'),
  ...['error', 'notice', 'debug'].flatMap((word) => [level(word), call('level'), call('work', TOKEN)]),
  { ...level('no-such'), words: false },
  { ...call('wait', TOKEN), cancel: 'notifications/progress' },
  call('cancelled'),
  { ask: 'resources/subscribe', params: '{"uri":"test://odd","x":1.0}' },
  { ...call('touch'), aside: ['notifications/resources/updated'], again: true },
  { ask: 'resources/unsubscribe', params: '{"uri":"test://odd"}' },
  call('touch'),
  { ...call('change'), aside: ['notifications/prompts/list_changed'], again: true },
  { tell: 'notifications/roots/list_changed' },
  { tell: 'notifications/no-such', params: '{"x":1.0}' },
];

export function conversationOf(revision) {
  const talk = raw('legacy', MORE, revision >= '2025-06-18');
  return { ...talk, revision, capabilities: CAPABILITIES[revision] ?? talk.capabilities };
}

export const conversation = conversationOf('2025-11-25');
