// The suite cannot send an API key. This stands between it and the endpoint on loopback, adds
// `Authorization`, puts the endpoint's own authority where the suite names the forwarder's, and
// passes all else on untouched and at once: status, headers, bodies, open streams, hang-ups.

import http from 'node:http';

/** Starts a forwarder to `target`; resolves to the URL to use instead, and a way to end it. */
export async function forward(target, key) {
  const agent = new http.Agent({ keepAlive: true });
  const server = http.createServer((request, response) => {
    const own = `127.0.0.1:${server.address().port}`;
    const headers = request.rawHeaders.map((value, at) =>
      at % 2 === 1 && /^(host|origin)$/i.test(request.rawHeaders[at - 1])
        ? value.replace(own, target.host)
        : value,
    );
    if (key) headers.push('Authorization', `Bearer ${key}`);

    const upstream = http.request({
      agent,
      hostname: target.hostname,
      port: target.port,
      method: request.method,
      path: request.url,
      headers,
      setHost: false,
    });
    upstream.on('response', (answer) => {
      response.sendDate = false;
      response.writeHead(answer.statusCode, answer.statusMessage, answer.rawHeaders);
      response.flushHeaders();
      answer.pipe(response);
      answer.on('error', () => response.destroy());
    });
    upstream.on('error', (error) => {
      if (response.headersSent) response.destroy();
      else response.writeHead(502).end(`forwarder: ${error.message}`);
    });
    response.on('close', () => upstream.destroy());
    request.pipe(upstream);
  });
  // A stream may be silent for longer than node's default allows a request to last.
  server.requestTimeout = 0;
  await new Promise((resolve) => server.listen(0, '127.0.0.1', resolve));

  const url = new URL(target);
  url.port = String(server.address().port);
  url.hostname = '127.0.0.1';
  return {
    url,
    close() {
      server.closeAllConnections();
      server.close();
      agent.destroy();
    },
  };
}
