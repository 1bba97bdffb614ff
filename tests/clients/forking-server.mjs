// A hosted server that leaves children about: one of its own, one in a session of its own, and one
// whose parent is gone. Says their process ids on standard error.

import { spawn, spawnSync } from 'node:child_process';

import { McpServer } from '@modelcontextprotocol/sdk/server/mcp.js';
import { StdioServerTransport } from '@modelcontextprotocol/sdk/server/stdio.js';

const asleep = ['600'];
const own = spawn('sleep', asleep, { stdio: 'ignore' });
const apart = spawn('sleep', asleep, { stdio: 'ignore', detached: true });
const orphan = spawnSync('setsid', ['sh', '-c', 'sleep 600 >/dev/null 2>&1 & echo $!']);
for (const pid of [own.pid, apart.pid, String(orphan.stdout).trim()]) {
  console.error(`child ${pid}`);
}

const server = new McpServer({ name: 'forking', version: '1' });
server.registerTool('nothing', { description: 'Does nothing.' }, () => ({ content: [] }));
await server.connect(new StdioServerTransport());
