// An upstream written by hand, for what no SDK would send: numbers and escapes in every way JSON
// allows, spaces, members that nobody knows. It also tells how a request has reached it. Speaks
// one era. Prints its URL when it listens.
//
//   node raw-server.mjs legacy|modern [REVISION]

import { createServer } from 'node:http';

import { legacy } from './raw/legacy.mjs';
import { modern } from './raw/modern.mjs';

const serve = { legacy, modern }[process.argv[2]](process.argv[3]);

async function body(request) {
  let text = '';
  request.setEncoding('utf8');
  for await (const part of request) text += part;
  return text;
}

const server = createServer(async (request, response) => {
  serve(request, await body(request), response);
});
server.listen(0, '127.0.0.1', () => {
  console.log(`http://127.0.0.1:${server.address().port}/mcp`);
});
