// Holds the same conversation with a server and with an endpoint in front of it, and compares every
// message, byte for byte but for what is each endpoint's own (see differential/normal.mjs).
//
//   MCP_KEY=… node differential.mjs CONVERSATION[@REVISION] DIRECT_URL URL
//
// A conversation is a file in differential/conversations; the revision is that of a legacy client,
// 2025-11-25 unless named.

import { hold } from './differential/talk.mjs';
import { Wire } from './differential/wire.mjs';

const [name, direct, through] = process.argv.slice(2);
if (!through) {
  console.error('usage: MCP_KEY=… node differential.mjs CONVERSATION DIRECT_URL URL');
  process.exit(2);
}
const [file, revision] = name.split('@');
const module = await import(`./differential/conversations/${file}.mjs`);
const conversation = revision ? module.conversationOf(revision) : module.conversation;
const key = process.env.MCP_KEY;
const headers = key ? { authorization: `Bearer ${key}` } : {};

const expected = await hold(conversation, new Wire(direct, {}));
const found = await hold(conversation, new Wire(through, headers));

let messages = 0;
let different = 0;
expected.forEach(([title, lines], n) => {
  const others = found[n][1];
  messages += lines.length;
  const broken = lines.some((line) => line.startsWith('broken'));
  if (!broken && JSON.stringify(lines) === JSON.stringify(others)) return;
  different += 1;
  console.log(`${title}\n  direct:`);
  for (const line of lines) console.log(`    ${line}`);
  console.log('  through:');
  for (const line of others) console.log(`    ${line}`);
});
console.log(`${expected.length} steps, ${messages} lines, ${different} steps differ`);
process.exit(different === 0 ? 0 : 1);
