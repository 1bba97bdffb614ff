// Holds a conversation, written down step by step, with one endpoint, and writes down what came.
//
// A step:
//   ask       the method; `params` is the text of its params
//   tell      instead: the method of a notification
//   answers   what is answered to what the server asks in mid-call, in order: the text of a result,
//             or `{error}` with the text of an error
//   aside     methods of messages to wait for on the stream that belongs to no request
//   again     whether the step is taken again until those have come: an endpoint may say that a
//             client is subscribed before the server in the end knows of it
//   until     ends the request when a message of this method has come (a subscription)
//   during    a step to take then, before it ends; again and again until
//             a message of the method `finally` has come, which ends the request
//   unlisted  tools whose listing is not compared
//   pages     whether the pages behind the first are asked for too
//   cancel    cancels the request when a message of this method has come
//   words     false: the words of errors are the endpoint's own

import { capabilities, normal } from './normal.mjs';
import { member, members, object } from './raw.mjs';

const PATIENCE_MS = 20_000;
const REPEAT_MS = 500;
const MODERN = '2026-07-28';
const LEGACY = '2025-11-25';
const NAME_OF = { 'tools/call': 'name', 'prompts/get': 'name', 'resources/read': 'uri' };

const parsed = (text) => (text === undefined ? undefined : JSON.parse(text));

/** Fails when something does not come in time. */
async function inTime(what, promise) {
  let timer;
  const late = new Promise((_, reject) => {
    timer = setTimeout(() => reject(new Error(`not in time: ${what}`)), PATIENCE_MS);
  });
  return Promise.race([promise, late]).finally(() => clearTimeout(timer));
}

class Talk {
  #wire;
  #modern;
  #revision;
  #capabilities;
  #ids = 0;
  #aside = [];
  #wake = () => {};

  constructor(wire, { era, revision = LEGACY, capabilities: declared }) {
    this.#wire = wire;
    this.#modern = era === 'modern';
    this.#revision = revision;
    this.#capabilities = declared;
  }

  async open() {
    if (this.#modern) return;
    const params = `{"protocolVersion":"${this.#revision}","capabilities":${this.#capabilities},"clientInfo":{"name":"differential","version":"1"}}`;
    const { headers, messages } = await this.#wire.post(request('0', 'initialize', params));
    for await (const text of messages) {
      this.opening = [normal(text, 'initialize'), capabilities(text)];
    }
    this.#wire.with({
      'mcp-session-id': headers.get('mcp-session-id'),
      'mcp-protocol-version': this.#revision,
    });
    await drained(await this.#wire.post(request(undefined, 'notifications/initialized')));
    this.#gather(await this.#wire.listen()).catch(() => {});
  }

  async close() {
    if (!this.#modern) await this.#wire.delete();
    this.#wire.close();
  }

  /** What came at a step, a line for each message. */
  async take(step) {
    if (step.tell) {
      const { status } = await this.#send(undefined, step.tell, step.params);
      return [`status ${status}`];
    }
    const came = [];
    await inTime(step.ask, this.#ask(step, step.params ?? '{}', came));
    for (const method of step.aside ?? []) {
      const again = step.again && setInterval(() => this.#repeat(step), REPEAT_MS);
      const told = inTime(method, this.#fromAside(method, step));
      came.push(`aside ${await told.finally(() => clearInterval(again))}`);
    }
    return came;
  }

  async #ask(step, params, came) {
    this.#ids += 1;
    // Ids of both kinds, one of them with an escape.
    const id = this.#ids % 2 === 0 ? String(this.#ids) : `"n\\u00fc ${this.#ids}"`;
    const { status, messages } = await this.#send(id, step.ask, params);
    came.push(`status ${status}`);
    const answers = [...(step.answers ?? [])];
    let again;
    for await (const text of messages) {
      const method = parsed(member(text, 'method'));
      const result = member(text, 'result');
      came.push(
        normal(text, step.ask, { errorTexts: step.words !== false, unlisted: step.unlisted }),
      );
      const cursor = member(result ?? '{}', 'nextCursor');
      if (step.pages && cursor !== undefined) {
        const rest = members(params).filter(([name]) => name !== 'cursor');
        return this.#ask(step, object([...rest, ['cursor', cursor]]), came);
      }
      if (method !== undefined && method === step.cancel) {
        // A modern client has nothing to do but to hang up, and a legacy one still listens.
        if (this.#modern) return;
        const cancelled = `{"requestId":${id},"reason":"\\u00fcber"}`;
        await drained(await this.#send(undefined, 'notifications/cancelled', cancelled));
      }
      if (step.ask === 'server/discover' && result) came.push(capabilities(text));
      if (method !== undefined && member(text, 'id') !== undefined) {
        const answer = answers.shift();
        const body = typeof answer === 'string' ? `"result":${answer}` : `"error":${answer.error}`;
        await drained(
          await this.#wire.post(`{"jsonrpc":"2.0","id":${member(text, 'id')},${body}}`),
        );
      }
      if (method !== undefined && method === step.until) {
        if (!step.during) {
          clearInterval(again);
          return;
        }
        const { during } = step;
        came.push(...(await this.take(during)));
        // An endpoint may say that it listens before the server in the end knows of it.
        again = setInterval(() => this.#repeat(during), REPEAT_MS);
        step = { ...step, until: step.finally, during: undefined };
      }
      if (parsed(member(result ?? '{}', 'resultType')) === 'input_required') {
        const again = { ...step, answers };
        return this.#ask(again, answered(params, result, answers), came);
      }
    }
  }

  async #repeat({ ask, params }) {
    await drained(await this.#send('"again"', ask, params)).catch(() => {});
  }

  #send(id, method, params) {
    if (!this.#modern) return this.#wire.post(request(id, method, params));
    const given = members(params ?? '{}');
    const meta = [
      ['io.modelcontextprotocol/protocolVersion', `"${MODERN}"`],
      ['io.modelcontextprotocol/clientInfo', '{"name":"differential","version":"1"}'],
      ['io.modelcontextprotocol/clientCapabilities', this.#capabilities],
      ...members(member(params ?? '{}', '_meta') ?? '{}'),
    ];
    const rest = given.filter(([name]) => name !== '_meta');
    const name = parsed(member(params ?? '{}', NAME_OF[method] ?? ''));
    const headers = { 'mcp-protocol-version': MODERN, 'mcp-method': method };
    if (name !== undefined) headers['mcp-name'] = name;
    return this.#wire.post(
      request(id, method, object([...rest, ['_meta', object(meta)]])),
      headers,
    );
  }

  async #gather(messages) {
    for await (const text of messages) {
      this.#aside.push(text);
      this.#wake();
    }
  }

  async #fromAside(method, step) {
    for (;;) {
      const at = this.#aside.findIndex((text) => parsed(member(text, 'method')) === method);
      if (at >= 0) return normal(this.#aside.splice(at, 1)[0], step.ask);
      await new Promise((resolve) => {
        this.#wake = resolve;
      });
    }
  }
}

function request(id, method, params) {
  const list = [['jsonrpc', '"2.0"']];
  if (id !== undefined) list.push(['id', id]);
  list.push(['method', JSON.stringify(method)]);
  if (params !== undefined) list.push(['params', params]);
  return object(list);
}

/** The params of the next round. */
function answered(params, result, answers) {
  const responses = members(member(result, 'inputRequests') ?? '{}').map(([key]) => [
    key,
    answers.shift(),
  ]);
  const kept = members(params).filter(
    ([name]) => !['inputResponses', 'requestState'].includes(name),
  );
  const state = member(result, 'requestState');
  return object([
    ...kept,
    ['inputResponses', object(responses)],
    ...(state === undefined ? [] : [['requestState', state]]),
  ]);
}

async function drained({ messages }) {
  for await (const _ of messages);
}

/**
 * Holds the whole conversation.
 *
 * @returns what came, by step
 */
export async function hold(conversation, wire) {
  const talk = new Talk(wire, conversation);
  await talk.open();
  const said = [['opening', talk.opening ?? []]];
  for (const step of conversation.steps) {
    const title = `${step.ask ?? step.tell} ${step.params ?? ''}`.slice(0, 160);
    try {
      said.push([title, await talk.take(step)]);
    } catch (error) {
      said.push([title, [`broken: ${error.message}`]]);
    }
  }
  await talk.close();
  return said;
}
