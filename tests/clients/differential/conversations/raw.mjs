// With raw-server.mjs, in either era.

import { ODD } from '../../raw/answers.mjs';

const tool = (name, more = '', step = {}) => ({
  ask: 'tools/call',
  params: `{"name":"${name}"${more}}`,
  ...step,
});
const META = `"_meta":{"x.example/a":${ODD},"com.example/b":[1.0]`;

const FORM = `{"action":"accept","content":{"n":1.0,"s":"\\u00e4\\/"},"x":${ODD},"_meta":{"x.example/a":1.0}}`;
const OTHERS = [
  `{"role":"assistant","model":"m","content":{"type":"text","text":"\\u00e4"},"x":${ODD}}`,
  '{"roots":[{"uri":"file:\\/\\/\\/a","name":"\\u00e4","x":1.0}],"x":1.0}',
];

/** The conversation; `more` are steps of one era alone, `forms` whether the client knows them. */
export const raw = (era, more, forms = true) => ({
  era,
  capabilities: '{"roots":{"listChanged":true},"sampling":{},"elicitation":{"form":{},"url":{}}}',
  steps: [
    { ask: 'tools/list' },
    { ask: 'prompts/list', pages: true },
    { ask: 'prompts/list', params: `{"x":1.0,${META}}}` },
    { ask: 'prompts/list', params: '{"cursor":"no-such"}', words: false },
    { ask: 'resources/list', pages: true },
    { ask: 'resources/templates/list', pages: true },
    tool('odd'),
    tool('contents'),
    tool('fail'),
    tool('fail-oddly'),
    tool('is-error'),
    tool('mirror'),
    tool('mirror', ',"arguments":{}'),
    tool('mirror', `,"arguments":${ODD}`),
    tool('mirror', `,"arguments":{"n":1.0},"x-unknown":${ODD},${META}}`),
    tool('m\\u0069rror', ',"arguments" : { "\\u006e":\t12345678901234567890.0 }'),
    { ask: 'prompts/get', params: `{"name":"odd","arguments":{"a":"\\u00e4"},"x":1.0,${META}}}` },
    { ask: 'prompts/get', params: '{"name":"odd"}' },
    { ask: 'prompts/get', params: '{"name":"odd","arguments":{}}' },
    { ask: 'prompts/get', params: '{"name":"no-such"}' },
    { ask: 'resources/read', params: `{"uri":"test://odd","x":1.0,${META}}}` },
    { ask: 'resources/read', params: '{"uri":"test:\\/\\/odd"}' },
    { ask: 'resources/read', params: '{"uri":"test://no-such"}' },
    {
      ask: 'completion/complete',
      params: `{"ref":{"type":"ref/prompt","name":"odd","x":1.0},"argument":{"name":"a","value":"\\u00e4"},"context":{"arguments":{"b":"\\u00fc"}},"x":1.0,${META}}}`,
    },
    {
      ask: 'completion/complete',
      params:
        '{"argument":{"value":"","name":"a"},"ref":{"type":"ref/resource","uri":"test://{a}/b{?c}"}}',
    },
    tool('work'),
    tool('work', ',"_meta":{"progressToken":"\\u00e4"}'),
    tool('work', ',"_meta":{"progressToken":12}'),
    tool('ask', `,"arguments":{"n":1.0},${META}}`, { answers: forms ? [FORM, ...OTHERS] : OTHERS }),
    ...(forms ? [tool('ask-twice', '', { answers: [FORM, '{"action":"decline"}'] })] : []),
    ...more,
    { ask: 'no/such', params: '{"x":1.0}', words: false },
  ],
});
