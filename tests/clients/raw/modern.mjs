// The server of 2026-07-28: no session, and questions instead of results.

import { member, members, object } from '../differential/raw.mjs';
import { error, events, LEVELS, QUESTIONS, result, said } from './answers.mjs';

const CAPABILITIES =
  '{"tools":{"listChanged":true},"prompts":{},"resources":{"subscribe":true},"completions":{},"logging":{}}';
const DISCOVERED = `{"supportedVersions":["2026-07-28"],"capabilities":${CAPABILITIES},"ttlMs":0,"cacheScope":"private"}`;
const CACHED = /^(prompts\/list|tools\/list|resources\/)/;
const LEVEL = 'io.modelcontextprotocol/logLevel';

/** A result says of what kind it is. */
const typed = (text, method, type = 'complete') =>
  object([
    ['resultType', `"${type}"`],
    ...(CACHED.test(method)
      ? [
          ['ttlMs', '1000'],
          ['cacheScope', '"private"'],
        ]
      : []),
    ...members(text),
  ]);

const question = ([, method, params]) =>
  object([
    ['method', JSON.stringify(method)],
    ['params', params],
  ]);

/** The next question of `ask`; its state is the answers so far. */
function ask(params) {
  const state = JSON.parse(member(params, 'requestState') ?? '"[]"');
  const answers = JSON.parse(state);
  const answered = members(member(params, 'inputResponses') ?? '{}');
  if (answered.length > 0) answers.push(answered[0][1]);
  const next = QUESTIONS[answers.length];
  if (!next) return typed(said(answers.join('\n')), '');
  const asked = [
    ['inputRequests', object([[next[0], question(next)]])],
    ['requestState', JSON.stringify(JSON.stringify(answers))],
  ];
  return typed(object(asked), '', 'input_required');
}

/** Two questions at once, and no state. */
function askTwice(params) {
  const answered = members(member(params, 'inputResponses') ?? '{}');
  if (answered.length === 2) return typed(said(answered.map(([, it]) => it).join('\n')), '');
  const asked = ['first', 'ü second'].map((key) => [key, question(QUESTIONS[0])]);
  return typed(object([['inputRequests', object(asked)]]), '', 'input_required');
}

function answer(method, params, send) {
  const name = JSON.parse(member(params, 'name') ?? 'null');
  if (method === 'server/discover') return ['result', typed(DISCOVERED, '')];
  if (method === 'tools/call' && name === 'ask') return ['result', ask(params)];
  if (method === 'tools/call' && name === 'ask-twice') return ['result', askTwice(params)];
  if (method === 'tools/call' && name === 'work') {
    const least = LEVELS.indexOf(JSON.parse(member(params, '_meta', LEVEL) ?? 'null'));
    const isLoud = (told) => least >= 0 && LEVELS.indexOf(JSON.parse(member(told, 'level'))) >= least;
    for (const [kind, told] of events(member(params, '_meta', 'progressToken'))) {
      if (kind !== 'notifications/message' || isLoud(told)) send(kind, told);
    }
    return ['result', typed(said('done'), '')];
  }
  if (method === 'tools/call' && name === 'cancelled') return ['result', typed(said('1'), '')];
  const found = result(method, params);
  return found ? ['result', typed(found, method)] : ['error', error(method, params) ?? 'null'];
}

export function modern() {
  let cancelled = 0;
  let heard = () => {};
  return async (request, text, response) => {
    if (request.method !== 'POST') {
      response.writeHead(405).end();
      return;
    }
    const method = JSON.parse(member(text, 'method'));
    const id = member(text, 'id');
    if (method === 'initialize') {
      const unsupported =
        '{"code":-32022,"message":"unsupported","data":{"supported":["2026-07-28"]}}';
      response.writeHead(400, { 'content-type': 'application/json' });
      response.end(
        object([
          ['jsonrpc', '"2.0"'],
          ['id', id],
          ['error', unsupported],
        ]),
      );
      return;
    }
    if (id === undefined) {
      response.writeHead(202).end();
      return;
    }
    let streams = false;
    const send = (event) => {
      if (!streams) response.writeHead(200, { 'content-type': 'text/event-stream' });
      streams = true;
      response.write(`event: message\ndata: ${event}\n\n`);
    };
    const notify = (kind, params) =>
      send(
        object([
          ['jsonrpc', '"2.0"'],
          ['method', JSON.stringify(kind)],
          ['params', params],
        ]),
      );
    const params = member(text, 'params') ?? '{}';
    const tool = method === 'tools/call' ? JSON.parse(member(params, 'name')) : undefined;
    if (tool === 'wait') {
      const token = member(params, '_meta', 'progressToken');
      // Whoever hangs up has cancelled.
      response.on('close', () => {
        cancelled += 1;
        heard();
      });
      notify('notifications/progress', `{"progressToken":${token},"progress":1.0}`);
      return;
    }
    while (tool === 'cancelled' && cancelled === 0) {
      await new Promise((resolve) => (heard = resolve));
    }
    const outcome = answer(method, params, notify);
    const whole = object([['jsonrpc', '"2.0"'], ['id', id], outcome]);
    if (streams) {
      send(whole);
      response.end();
      return;
    }
    const unknown = member(outcome[1], 'code') === '-32601';
    response.writeHead(unknown ? 404 : 200, { 'content-type': 'application/json' });
    response.end(whole);
  };
}
