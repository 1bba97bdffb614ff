// The person and the host behind a client: what is answered when a server asks, and what was heard.

import assert from 'node:assert/strict';

const PATIENCE_MS = 15_000;

/** What a client with everything declares. */
export const EVERYTHING = {
  elicitation: { form: {}, url: {} },
  roots: { listChanged: true },
  sampling: {},
};

export class Person {
  /** What was asked: `{method, params}` each, in order. */
  asked = [];
  /** What the server said of its own accord: `{method, params}` each, in order. */
  heard = [];
  #waiting = new Set();

  /** Answers, to be replaced by a test that wants others. */
  answers = {
    'elicitation/create': () => ({ action: 'decline' }),
    'roots/list': () => ({ roots: [{ uri: 'file:///people/ada', name: 'Ada' }] }),
    'sampling/createMessage': () => ({
      role: 'assistant',
      model: 'a model',
      stopReason: 'endTurn',
      content: { type: 'text', text: 'an answer' },
    }),
  };

  /** Answers a request of the server's. */
  async answer(method, params) {
    this.#note(this.asked, { method, params });
    return this.answers[method](params);
  }

  /** Takes a notification of the server's. */
  hear(method, params) {
    this.#note(this.heard, { method, params });
  }

  /** Takes the list of resources that the SDK has read anew because it changed. */
  refreshed(resources) {
    this.#note(this.heard, { method: 'refreshed', params: { resources } });
  }

  /** The first of `method` that was asked or heard and matches; waits for it when it is not there yet. */
  async notices(method, matches = () => true) {
    const find = () =>
      [...this.asked, ...this.heard].find((it) => it.method === method && matches(it.params));
    const found = find();
    if (found) return found.params;
    return new Promise((resolve, reject) => {
      const look = () => {
        const late = find();
        if (!late) return;
        clearTimeout(timer);
        this.#waiting.delete(look);
        resolve(late.params);
      };
      const timer = setTimeout(() => {
        this.#waiting.delete(look);
        const all = JSON.stringify([...this.asked, ...this.heard]).slice(0, 2000);
        reject(new assert.AssertionError({ message: `${method} did not come; what came: ${all}` }));
      }, PATIENCE_MS);
      this.#waiting.add(look);
    });
  }

  #note(list, message) {
    list.push(message);
    for (const look of [...this.#waiting]) look();
  }
}
