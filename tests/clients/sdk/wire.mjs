// A way to fetch whose streams can be broken from here, as a bad network does.

export function breakableFetch() {
  const running = new Set();
  return {
    async fetch(url, init) {
      const response = await fetch(url, init);
      const isStream = response.headers.get('content-type')?.startsWith('text/event-stream');
      if (!isStream || !response.body) return response;
      const cut = new AbortController();
      running.add(cut);
      const body = response.body.pipeThrough(new TransformStream(), { signal: cut.signal });
      return new Response(body, { status: response.status, headers: response.headers });
    },
    /** Breaks every stream that is open now. */
    breakStreams() {
      for (const cut of running) cut.abort(new Error('the network is gone'));
      running.clear();
    },
  };
}
