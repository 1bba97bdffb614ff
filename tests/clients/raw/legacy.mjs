// The server of 2025-11-25: sessions, and requests to the client on the stream of a call.

import { randomUUID } from 'node:crypto';

import { member, object } from '../differential/raw.mjs';
import { error, events, QUESTIONS, result, said } from './answers.mjs';

const CAPABILITIES =
  '{"tools":{"listChanged":true},"prompts":{},"resources":{"subscribe":true},"completions":{},"logging":{}}';

const message = (method, params, id) =>
  object([
    ['jsonrpc', '"2.0"'],
    ...(id === undefined ? [] : [['id', id]]),
    ['method', JSON.stringify(method)],
    ['params', params],
  ]);

export function legacy() {
  const sessions = new Set();
  /** By the id of a request to the client, who waits for its answer. */
  const asked = new Map();
  let ids = 0;

  async function call(request, send) {
    const method = JSON.parse(member(request, 'method'));
    const params = member(request, 'params') ?? '{}';
    const name = JSON.parse(member(params, 'name') ?? 'null');
    const ask = async ([, kind, question]) => {
      ids += 1;
      const id = `"ask ${ids}"`;
      const answer = new Promise((resolve) => asked.set(id, resolve));
      send(message(kind, question, id));
      const text = await answer;
      return member(text, 'result') ?? member(text, 'error') ?? 'nothing';
    };
    if (method === 'tools/call' && name === 'work') {
      const token = member(params, '_meta', 'progressToken');
      for (const [kind, told] of events(token)) send(message(kind, told));
      return ['result', said('done')];
    }
    if (method === 'tools/call' && name === 'ask') {
      const answers = [];
      for (const question of QUESTIONS) answers.push(await ask(question));
      return ['result', said(answers.join('\n'))];
    }
    if (method === 'tools/call' && name === 'ask-twice') {
      const answers = await Promise.all([ask(QUESTIONS[0]), ask(QUESTIONS[0])]);
      return ['result', said(answers.join('\n'))];
    }
    if (['ping', 'logging/setLevel'].includes(method)) return ['result', '{}'];
    const found = result(method, params);
    return found ? ['result', found] : ['error', error(method, params) ?? 'null'];
  }

  return async (request, text, response) => {
    const session = request.headers['mcp-session-id'];
    if (request.method === 'GET') {
      response.writeHead(200, { 'content-type': 'text/event-stream' });
      response.flushHeaders();
      return;
    }
    if (request.method === 'DELETE') {
      sessions.delete(session);
      response.writeHead(200).end();
      return;
    }
    const method = JSON.parse(member(text, 'method') ?? 'null');
    const id = member(text, 'id');
    if (method === 'initialize') {
      const made = randomUUID();
      sessions.add(made);
      const answer = `{"protocolVersion":"2025-11-25","capabilities":${CAPABILITIES},"serverInfo":{"name":"raw","version":"1"}}`;
      response.writeHead(200, { 'content-type': 'application/json', 'mcp-session-id': made });
      response.end(
        object([
          ['jsonrpc', '"2.0"'],
          ['id', id],
          ['result', answer],
        ]),
      );
      return;
    }
    if (!sessions.has(session)) {
      response.writeHead(404).end();
      return;
    }
    if (method === null || id === undefined) {
      asked.get(id)?.(text);
      asked.delete(id);
      response.writeHead(202).end();
      return;
    }
    let streams = false;
    const send = (event) => {
      if (!streams) response.writeHead(200, { 'content-type': 'text/event-stream' });
      streams = true;
      response.write(`event: message\ndata: ${event}\n\n`);
    };
    const answer = object([['jsonrpc', '"2.0"'], ['id', id], await call(text, send)]);
    if (streams) {
      send(answer);
      response.end();
      return;
    }
    response.writeHead(200, { 'content-type': 'application/json' });
    response.end(answer);
  };
}
