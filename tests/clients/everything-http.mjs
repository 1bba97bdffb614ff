// server-everything over HTTP on a free port of loopback. By itself it takes a fixed port on every
// address, so its `listen` is bent here. Prints its URL when it listens.
//
//   node everything-http.mjs [sse]

import net from 'node:net';

const sse = process.argv[2] === 'sse';

const listen = net.Server.prototype.listen;
net.Server.prototype.listen = function listenOnLoopback() {
  return listen.call(this, 0, '127.0.0.1', () => {
    process.stdout.write(`http://127.0.0.1:${this.address().port}/${sse ? 'sse' : 'mcp'}\n`);
  });
};

// Its own talk goes where it does not stand before the URL.
console.log = console.error;
process.argv[2] = sse ? 'sse' : 'streamableHttp';
await import('@modelcontextprotocol/server-everything/dist/index.js');
