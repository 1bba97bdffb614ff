// What the server says, as text. Names are those of its tools, prompts and resources.

import { member, members, object } from '../differential/raw.mjs';

/** Numbers, escapes, spaces and nothings, as hardly anyone writes them. */
export const ODD =
  '{ "one":1.0, "small":1E-7, "exp":1e+2, "minus":-0.0, "big":12345678901234567890, "long":0.1000000000000000055511151231257827,\t"escaped":"\\u00fc\\ud83c\\udf0d\\/\\u2028\\u0000", "":null, "a b":[ ], "nested":{ "1":{} }, "same":1, "same":2 }';
const META = `{"x.example/odd":${ODD},"traceparent":"00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01"}`;

const text = (value) => `{"type":"text","text":${JSON.stringify(value)}}`;
/** A result of one text. */
export const said = (value, more = '') => `{"content":[${text(value)}]${more}}`;

const TOOLS = [
  ['odd', `,"x-unknown":${ODD},"annotations":{"readOnlyHint":true,"x":1.0},"_meta":${META}`],
  ['mirror', ',"icons":[{"src":"https://example.com/i.png","sizes":["48x48"],"x":1.50}]'],
  ['contents', ''],
  ['fail', ''],
  ['work', ''],
  ['ask', ''],
  ['ask-twice', ''],
  ['fail-oddly', ',"execution":{"taskSupport":"optional","x":1.0}'],
  ['is-error', ''],
  ['level', ''],
  ['wait', ''],
  ['cancelled', ''],
  ['touch', ''],
  ['change', ''],
].map(
  ([name, more]) =>
    `{"name":"${name}","description":"Gr\\u00fc\\u00dfe","inputSchema":{"type":"object","properties":{"n":{"type":"number","minimum":0.0,"default":1.0}},"additionalProperties":true}${more}}`,
);

const LISTS = {
  'tools/list': `{"x-before":1E2, "tools":[${TOOLS}] ,"x-list":${ODD},"_meta":${META}}`,
  'prompts/list': `{"prompts":[{"name":"odd","title":"\\u00d6","arguments":[{"name":"a","required":true,"x":1.0}],"x-unknown":${ODD},"_meta":${META}}],"_meta":${META}}`,
  'resources/list': `{"resources":[{"uri":"test://odd","name":"odd","size":1.0,"annotations":{"priority":1.0,"lastModified":"2025-01-12T15:00:58Z"},"x-unknown":${ODD}}]}`,
  'resources/templates/list': `{"resourceTemplates":[{"uriTemplate":"test://{a}/b{?c}","name":"t","x":${ODD}}]}`,
};

/** Every kind of content, each with members that nobody knows. */
const CONTENTS = `{"content":[
{"type":"text","text":"\\u00e4","annotations":{"priority":1.0,"audience":["user"]},"x":1.0,"_meta":${META}},
{"type":"image","data":"aGk=","mimeType":"image\\/png","x":${ODD}},
{"type":"audio","data":"aGk=","mimeType":"audio/wav"},
{"type":"resource_link","uri":"test://odd","name":"o","size":2.0,"x":[1.0]},
{"type":"resource","resource":{"uri":"test://odd","mimeType":"text/plain","text":"t","x":1.0,"_meta":${META}}},
{"type":"x-unknown","x":${ODD}}
],"structuredContent":${ODD},"isError":false,"x":${ODD},"_meta":${META}}`.replaceAll('\n', ' ');

const plain = (string) => JSON.stringify(JSON.parse(string));

/** What a request came with, told by the server: its params, but for the hop's own. */
function mirrored(params) {
  const own = (name) => name.startsWith('io.modelcontextprotocol/') || name === 'progressToken';
  const meta = members(member(params, '_meta') ?? '{}').filter(([name]) => !own(name));
  // Trace parents are written anew by every hop.
  const kept = meta.filter(([name]) => !['traceparent', 'tracestate', 'baggage'].includes(name));
  // A name is what a gateway reads to know where to: it is the same, however it is written.
  const rest = members(params)
    .filter(([name]) => name !== '_meta')
    .map(([name, it]) => [name, ['name', 'uri'].includes(name) ? plain(it) : it]);
  return object([...rest, ['_meta', object(kept)]]);
}

/** The second page of a list, and what the first one says to get there. */
const SECOND = {
  'prompts/list': '{"x":1.0,"prompts":[{"name":"second","x":[]}]}',
  'resources/list': '{"resources":[{"uri":"test://second","name":"second"}],"_meta":{"x":1.0}}',
  'resources/templates/list': '{"resourceTemplates":[]}',
};
const CURSOR = '"c\\u00fcrsor 2"';

function page(method, params) {
  const cursor = member(params, 'cursor');
  if (!SECOND[method]) return LISTS[method];
  if (cursor === undefined) {
    const first = members(LISTS[method]);
    return object([first[0], ['nextCursor', CURSOR], ...first.slice(1)]);
  }
  return JSON.parse(cursor) === JSON.parse(CURSOR) ? SECOND[method] : undefined;
}

/** Results that need nothing of the client; `undefined` when there is none. */
export function result(method, params) {
  const name = JSON.parse(member(params, 'name') ?? member(params, 'uri') ?? 'null');
  if (LISTS[method]) return page(method, params);
  switch (`${method} ${name}`) {
    case 'tools/call odd':
      return `{"content":[],"structuredContent":${ODD},"x-unknown":${ODD},"_meta":${META}}`;
    case 'tools/call is-error':
      return `{"isError":true,"x":${ODD},"content":[${text('ü')}]}`;
    case 'tools/call mirror':
      return said(mirrored(params));
    case 'tools/call contents':
      return CONTENTS;
    case 'prompts/get odd':
      return `{"description":"\\u00e4","messages":[{"role":"user","content":${text(mirrored(params))},"x":1.0}],"_meta":${META}}`;
    case 'resources/read test://odd':
      return `{"contents":[{"uri":"test://odd","text":${JSON.stringify(mirrored(params))},"x":${ODD},"_meta":${META}}],"x":1.0}`;
    case 'completion/complete null':
      return `{"completion":{"values":[${JSON.stringify(mirrored(params))}],"total":1.0,"hasMore":false,"x":${ODD}}}`;
    default:
      return undefined;
  }
}

/** Errors; `undefined` when there is none. */
export function error(method, params) {
  const name = JSON.parse(member(params, 'name') ?? member(params, 'uri') ?? 'null');
  if (method === 'tools/call' && name === 'fail') {
    return `{"code":-31999,"message":"gr\\u00fc\\u00dfe \\"x\\"","data":${ODD}}`;
  }
  if (method === 'tools/call' && name === 'fail-oddly') {
    return `{ "x-unknown":${ODD},"data":null, "message":"\\u2028\\/\\ud83c\\udf0d\\t","code":-7,"_meta":${META} }`;
  }
  if (LISTS[method]) return '{"code":-32602,"message":"no such cursor"}';
  if (method === 'resources/read') {
    return `{"code":-32602,"message":"no such resource","data":{"uri":${JSON.stringify(name)}}}`;
  }
  if (method === 'prompts/get') return `{"code":-32602,"message":"no such prompt"}`;
  if (method === 'tools/call') return undefined;
  return `{"code":-32601,"message":"no such method"}`;
}

/** The levels of log messages, the least grave first. */
export const LEVELS = 'debug info notice warning error critical alert emergency'.split(' ');

/** What `touch` and `change` tell outside the call. */
export const ASIDE = {
  touch: ['notifications/resources/updated', `{"uri":"test://odd","x":${ODD},"_meta":${META}}`],
  change: ['notifications/prompts/list_changed', undefined],
};

/** What `work` tells, with the token where one was given. */
export function events(token) {
  const progress = (rest) =>
    token === undefined ? [] : [['notifications/progress', `{"progressToken":${token},${rest}}`]];
  return [
    ...progress(`"progress":0.0,"total":3.0,"message":"\\u00e4","x":${ODD}`),
    ['notifications/message', `{"level":"info","logger":"l","data":${ODD},"x":1.0}`],
    ['notifications/message', `{"level":"debug","data":"\\u00e4"}`],
    ['notifications/message', `{"data":null,"level":"error","_meta":${META}}`],
    ...progress(`"progress":1.50,"_meta":${META}`),
    ...progress(`"progress":3e0`),
  ];
}

/** What `ask` asks, in order: kind of answer, method, params. */
export const QUESTIONS = [
  [
    'form',
    'elicitation/create',
    `{"message":"gr\\u00fc\\u00dfe","requestedSchema":{"type":"object","properties":{"n":{"type":"number","minimum":0.0,"default":1.0,"x":1E2},"s":{"type":"string","title":"\\u00d6","x-unknown":[1.0]}},"required":["n"]},"x":${ODD},"_meta":${META}}`,
  ],
  [
    'model',
    'sampling/createMessage',
    `{"messages":[{"role":"user","content":${text('ü')},"x":1.0}],"modelPreferences":{"hints":[{"name":"m"}],"costPriority":1.0},"temperature":0.70,"maxTokens":1e2,"metadata":${ODD},"x":${ODD}}`,
  ],
  ['roots', 'roots/list', '{"x":1.0}'],
];
