// A server of a revision up to 2025-11-25: sessions, and requests to the client on the stream of a call.

import { randomUUID } from 'node:crypto';

import { member, object } from '../differential/raw.mjs';
import { ASIDE, error, events, LEVELS, QUESTIONS, result, said } from './answers.mjs';

/** Completion has a flag from 2025-03-26 on. */
const capabilities = (revision) =>
  `{"tools":{"listChanged":true},"prompts":{"listChanged":true},"resources":{"subscribe":true},${revision > '2025' ? '"completions":{},' : ''}"logging":{}}`;

const message = (method, params, id) =>
  object([
    ['jsonrpc', '"2.0"'],
    ...(id === undefined ? [] : [['id', id]]),
    ['method', JSON.stringify(method)],
    ...(params === undefined ? [] : [['params', params]]),
  ]);

/** Whether a log message is at the level of a session that has set one, or graver. */
const isLoud = (told, level) =>
  level === undefined || LEVELS.indexOf(JSON.parse(member(told, 'level'))) >= LEVELS.indexOf(level);

export function legacy(revision = '2025-11-25') {
  /** By id: the level, what is subscribed to, the standalone stream. */
  const sessions = new Map();
  const asks = QUESTIONS.filter(([kind]) => kind !== 'form' || revision >= '2025-06-18');
  /** By the id of a call, how to end it. */
  const waiting = new Map();
  let cancelled = 0;
  let heard = () => {};
  /** By the id of a request to the client, who waits for its answer. */
  const asked = new Map();
  let ids = 0;

  async function call(request, session, send) {
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
      for (const [kind, told] of events(token)) {
        if (kind !== 'notifications/message' || isLoud(told, session.level)) {
          send(message(kind, told));
        }
      }
      return ['result', said('done')];
    }
    if (method === 'tools/call' && name === 'ask') {
      const answers = [];
      for (const question of asks) answers.push(await ask(question));
      return ['result', said(answers.join('\n'))];
    }
    if (method === 'tools/call' && name === 'ask-twice') {
      const answers = await Promise.all([ask(QUESTIONS[0]), ask(QUESTIONS[0])]);
      return ['result', said(answers.join('\n'))];
    }
    if (method === 'tools/call' && name === 'wait') {
      const token = member(params, '_meta', 'progressToken');
      send(message('notifications/progress', `{"progressToken":${token},"progress":1.0}`));
      return new Promise((resolve) => waiting.set(member(request, 'id'), resolve));
    }
    if (method === 'tools/call' && name === 'cancelled') {
      while (cancelled === 0) await new Promise((resolve) => (heard = resolve));
      return ['result', said(`${cancelled}`)];
    }
    if (method === 'tools/call' && name === 'level') {
      return ['result', said(session.level ?? 'none')];
    }
    if (method === 'tools/call' && ASIDE[name]) {
      const isFor = name === 'change' || session.subscribed.has('test://odd');
      if (isFor) session.stream?.write(`data: ${message(...ASIDE[name])}\n\n`);
      return ['result', said('done')];
    }
    if (method === 'logging/setLevel') {
      const level = JSON.parse(member(params, 'level'));
      if (!LEVELS.includes(level)) return ['error', '{"code":-32602,"message":"no such level"}'];
      session.level = level;
      return ['result', '{}'];
    }
    if (method === 'resources/subscribe') session.subscribed.add(JSON.parse(member(params, 'uri')));
    if (method === 'resources/unsubscribe') {
      session.subscribed.delete(JSON.parse(member(params, 'uri')));
    }
    if (['ping', 'resources/subscribe', 'resources/unsubscribe'].includes(method)) {
      return ['result', '{}'];
    }
    const found = result(method, params);
    return found ? ['result', found] : ['error', error(method, params) ?? 'null'];
  }

  return async (request, text, response) => {
    const session = sessions.get(request.headers['mcp-session-id']);
    if (request.method === 'GET') {
      response.writeHead(200, { 'content-type': 'text/event-stream' });
      response.flushHeaders();
      if (session) session.stream = response;
      return;
    }
    if (request.method === 'DELETE') {
      sessions.delete(request.headers['mcp-session-id']);
      response.writeHead(200).end();
      return;
    }
    const method = JSON.parse(member(text, 'method') ?? 'null');
    const id = member(text, 'id');
    if (method === 'initialize') {
      const made = randomUUID();
      sessions.set(made, { subscribed: new Set() });
      const answer = `{"protocolVersion":"${revision}","capabilities":${capabilities(revision)},"serverInfo":{"name":"raw","version":"1"}}`;
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
    if (!session) {
      response.writeHead(404).end();
      return;
    }
    if (method === null || id === undefined) {
      if (method === 'notifications/cancelled') {
        const end = waiting.get(member(text, 'params', 'requestId'));
        cancelled += end ? 1 : 0;
        end?.();
        heard();
      }
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
    const outcome = await call(text, session, send);
    if (!outcome) {
      // Cancelled: there is no answer.
      response.end();
      return;
    }
    const answer = object([['jsonrpc', '"2.0"'], ['id', id], outcome]);
    if (streams) {
      send(answer);
      response.end();
      return;
    }
    response.writeHead(200, { 'content-type': 'application/json' });
    response.end(answer);
  };
}
