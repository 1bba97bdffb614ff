// With modern-server.mjs.

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
const work = (meta) => ({
  ask: 'tools/call',
  params: call(
    'trigger-long-running-operation',
    '{"duration":0.2,"steps":3}',
    `,"_meta":{"progressToken":${meta}}`,
  ),
});
const TEXT = 'demo://resource/dynamic/text/1';
const LEVEL = '"io.modelcontextprotocol/logLevel"';

export const conversation = {
  era: 'modern',
  capabilities: '{"roots":{"listChanged":true},"sampling":{},"elicitation":{"form":{},"url":{}}}',
  steps: [
    { ask: 'server/discover' },
    { ask: 'tools/list' },
    tool('echo', '{"message":"gr\\u00fc\\u00dfe, \\ud83c\\udf0d \\/ \\u2028"}'),
    tool('echo', '{"message":5}'),
    tool('get-tiny-image'),
    tool('get-structured-content', '{"location":"Chicago"}'),
    tool('get-annotated-message', '{"messageType":"error","includeImage":true}'),
    tool('get-resource-links', '{"count":4}'),
    tool('get-resource-reference', '{"resourceType":"Blob","resourceId":3}'),
    { ask: 'prompts/list' },
    prompt('simple-prompt'),
    prompt('args-prompt', '{"city":"K\\u00f6ln"}'),
    prompt('resource-prompt', '{"resourceType":"Text","resourceId":"1"}'),
    prompt('no-such-prompt'),
    { ask: 'resources/list' },
    { ask: 'resources/templates/list' },
    read(TEXT),
    read('demo://resource/static/document/features.md'),
    read('demo://resource/no/such'),
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
    work('"t\\u00f6k"'),
    work('7'),
    tool('toggle-simulated-logging'),
    {
      ask: 'tools/call',
      params: call('toggle-simulated-logging', '{}', `,"_meta":{${LEVEL}:"warning"}`),
    },
    tool('trigger-elicitation-request', '{}', {
      answers: ['{"action":"accept","content":{"name":"J\\u00fcrgen","number":2.50}}'],
    }),
    tool('trigger-elicitation-request', '{}', { answers: ['{"action":"cancel"}'] }),
    tool('trigger-url-elicitation', '{"url":"https://example.com/a?b=c%20d","errorPath":true}', {
      answers: ['{"action":"accept"}', '{"action":"decline"}'],
    }),
    tool('trigger-sampling-request', '{"prompt":"\\u00fc","maxTokens":5}', {
      answers: ['{"role":"assistant","model":"m","content":{"type":"text","text":"\\u00e4"}}'],
    }),
    tool('get-roots-list', '{}', { answers: ['{"roots":[{"uri":"file:///a","name":"A"}]}'] }),
    {
      ask: 'subscriptions/listen',
      params: `{"notifications":{"resourceSubscriptions":["${TEXT}"]}}`,
      until: 'notifications/subscriptions/acknowledged',
      during: tool('toggle-subscriber-updates'),
      finally: 'notifications/resources/updated',
    },
    {
      ask: 'subscriptions/listen',
      params: '{"notifications":{"resourcesListChanged":true}}',
      until: 'notifications/subscriptions/acknowledged',
      during: tool('gzip-file-as-resource', '{"name":"g.gz","data":"hello","outputType":"x"}'),
      finally: 'notifications/resources/list_changed',
    },
    { ask: 'no/such', words: false },
    { ask: 'initialize', words: false },
  ],
};
