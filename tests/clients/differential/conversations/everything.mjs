// With server-everything, legacy.

const call = (name, input = '{}', more = '') => `{"name":"${name}","arguments":${input}${more}}`;
const tool = (name, input, step = {}) => ({
  ask: 'tools/call',
  params: call(name, input),
  ...step,
});
const read = (uri) => ({ ask: 'resources/read', params: `{"uri":"${uri}"}` });
const prompt = (name, input) => ({
  ask: 'prompts/get',
  params: `{"name":"${name}"${input ? `,"arguments":${input}` : ''}}`,
});

const FILLED =
  '{"action":"accept","content":{"name":"J\\u00fcrgen \\ud83c\\udf0d","check":true,"number":2.50,"integer":7}}';
const SAMPLED =
  '{"role":"assistant","model":"m","stopReason":"endTurn","content":{"type":"text","text":"\\u00e4 \\/ \\"b\\""}}';

export const conversation = {
  era: 'legacy',
  capabilities: '{"sampling":{},"elicitation":{"form":{},"url":{}}}',
  steps: [
    { ask: 'ping' },
    // The server hides this one from a client without roots, as this one is: a server with roots to
    // ask for asks at a time of its own.
    { ask: 'tools/list', unlisted: ['get-roots-list'] },
    tool('echo', '{"message":"gr\\u00fc\\u00dfe, \\ud83c\\udf0d \\/ \\u2028 \\"x\\""}'),
    tool('echo', '{"message":"spaces" , "more" : [ 1.0, 1E2 ] }'),
    tool('echo', '{"message":5}'),
    { ask: 'tools/call', params: '{"name":"get-tiny-image"}' },
    tool('get-sum', '{"a":1.0,"b":2.50}'),
    tool('get-structured-content', '{"location":"Chicago"}'),
    tool('get-annotated-message', '{"messageType":"error","includeImage":true}'),
    tool('get-resource-links', '{"count":4}'),
    tool('get-resource-reference', '{"resourceType":"Blob","resourceId":3}'),
    { ask: 'prompts/list' },
    prompt('simple-prompt'),
    prompt('args-prompt', '{"city":"K\\u00f6ln","state":"NRW"}'),
    prompt('resource-prompt', '{"resourceType":"Text","resourceId":"1"}'),
    prompt('args-prompt', '{}'),
    prompt('no-such-prompt'),
    { ask: 'resources/list' },
    { ask: 'resources/templates/list' },
    read('demo://resource/dynamic/text/1'),
    read('demo://resource/dynamic/blob/2'),
    read('demo://resource/static/document/instructions.md'),
    read('demo://resource/no/such'),
    {
      ask: 'completion/complete',
      params:
        '{"ref":{"type":"ref/prompt","name":"completable-prompt"},"argument":{"name":"department","value":"S"}}',
    },
    {
      ask: 'completion/complete',
      params:
        '{"ref":{"type":"ref/prompt","name":"completable-prompt"},"argument":{"name":"name","value":""},"context":{"arguments":{"department":"Sales"}}}',
    },
    {
      ask: 'completion/complete',
      params:
        '{"ref":{"type":"ref/resource","uri":"demo://resource/dynamic/text/{resourceId}"},"argument":{"name":"resourceId","value":"12"}}',
    },
    { ask: 'logging/setLevel', params: '{"level":"debug"}' },
    { ask: 'resources/subscribe', params: '{"uri":"demo://resource/dynamic/text/1"}' },
    tool('toggle-subscriber-updates', '{}', { aside: ['notifications/resources/updated'] }),
    tool('toggle-subscriber-updates', '{}'),
    { ask: 'resources/unsubscribe', params: '{"uri":"demo://resource/dynamic/text/1"}' },
    {
      ask: 'tools/call',
      params: call(
        'trigger-long-running-operation',
        '{"duration":0.4,"steps":4}',
        ',"_meta":{"progressToken":"t\\u00f6k"}',
      ),
    },
    {
      ask: 'tools/call',
      params: call(
        'trigger-long-running-operation',
        '{"duration":0.2,"steps":2}',
        ',"_meta":{"progressToken":7}',
      ),
    },
    tool('trigger-elicitation-request', '{}', { answers: [FILLED] }),
    tool('trigger-elicitation-request', '{}', { answers: ['{"action":"decline"}'] }),
    tool('trigger-elicitation-request', '{}', { answers: ['{"action":"cancel"}'] }),
    tool('trigger-url-elicitation', '{"url":"https://example.com/a?b=c%20d","message":"Look"}', {
      answers: ['{"action":"accept"}'],
    }),
    tool('trigger-url-elicitation', '{"url":"https://example.com/","errorPath":true}'),
    tool('trigger-sampling-request', '{"prompt":"\\u00fc","maxTokens":5}', { answers: [SAMPLED] }),
    tool('trigger-sampling-request', '{"prompt":"x"}', {
      answers: [{ error: '{"code":-1,"message":"the person said no"}' }],
    }),
    tool(
      'gzip-file-as-resource',
      '{"name":"g.gz","data":"data:text/plain,hello","outputType":"resourceLink"}',
      {
        aside: ['notifications/resources/list_changed'],
      },
    ),
    read('demo://resource/session/g.gz'),
    { ask: 'no/such', words: false },
  ],
};
