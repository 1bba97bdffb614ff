// A client that sends the text it is given and gives the text it gets.

const ACCEPT = 'application/json, text/event-stream';

/** The data of each event of a stream, as it comes. */
async function* events(body) {
  const decoder = new TextDecoder();
  let rest = '';
  for await (const bytes of body) {
    rest += decoder.decode(bytes, { stream: true });
    const blocks = rest.split(/\r?\n\r?\n/);
    rest = blocks.pop();
    for (const block of blocks) {
      const data = block
        .split(/\r?\n/)
        .filter((line) => line.startsWith('data:'))
        .map((line) => line.slice(5).replace(/^ /, ''))
        .join('\n');
      if (data) yield data;
    }
  }
}

export class Wire {
  #url;
  #headers;
  #stop = new AbortController();

  constructor(url, headers) {
    this.#url = url;
    this.#headers = headers;
  }

  /** More headers for everything from here on. */
  with(headers) {
    Object.assign(this.#headers, headers);
  }

  /** Sends a message; the answer's messages come one by one. */
  async post(text, headers = {}) {
    const response = await this.#fetch('POST', text, {
      accept: ACCEPT,
      'content-type': 'application/json',
      ...headers,
    });
    return { status: response.status, headers: response.headers, messages: messages(response) };
  }

  /** Opens the stream of what belongs to no request. */
  async listen() {
    const response = await this.#fetch('GET', undefined, { accept: 'text/event-stream' });
    if (response.status !== 200) throw new Error(`GET: ${response.status}`);
    return messages(response);
  }

  async delete() {
    await (await this.#fetch('DELETE')).text();
  }

  close() {
    this.#stop.abort();
  }

  #fetch(method, body, headers) {
    return fetch(this.#url, {
      method,
      body,
      headers: { ...this.#headers, ...headers },
      signal: this.#stop.signal,
    });
  }
}

async function* messages(response) {
  if (response.headers.get('content-type')?.startsWith('text/event-stream')) {
    yield* events(response.body);
    return;
  }
  const text = await response.text();
  if (text) yield text;
}
