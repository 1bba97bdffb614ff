// An upstream that speaks 2026-07-28 and nothing else, on the official SDK: the tools of
// server-everything that story.mjs calls. Prints its URL when it listens.
//
//   node modern-server.mjs [port]

import { createServer } from 'node:http';

import { toNodeHandler } from '@modelcontextprotocol/node';
import { createMcpHandler, McpServer } from '@modelcontextprotocol/server';
import { z } from 'zod';

const PIXEL =
  'iVBORw0KGgoAAAANSUhEUgAAAAEAAAABCAYAAAAfFcSJAAAADUlEQVR42mNk+M9QDwADhgGAWjR9awAAAABJRU5ErkJggg==';

const text = (value) => ({ content: [{ type: 'text', text: value }] });

function everything() {
  const server = new McpServer({ name: 'modern', version: '1' });
  server.registerTool(
    'echo',
    { description: 'Says the message back.', inputSchema: z.object({ message: z.string() }) },
    async ({ message }) => text(`Echo: ${message}`),
  );
  server.registerTool(
    'get-structured-content',
    {
      description: 'Tells the weather of a place.',
      inputSchema: z.object({ location: z.string() }),
      outputSchema: z.object({ temperature: z.number() }),
    },
    async () => ({ ...text('{"temperature":20}'), structuredContent: { temperature: 20 } }),
  );
  server.registerTool(
    'get-tiny-image',
    { description: 'Gives a picture.', inputSchema: z.object({}) },
    async () => ({ content: [{ type: 'image', data: PIXEL, mimeType: 'image/png' }] }),
  );
  server.registerTool(
    'trigger-long-running-operation',
    {
      description: 'Takes its time and says how far it is.',
      inputSchema: z.object({ duration: z.number(), steps: z.number().int().min(1).max(100) }),
    },
    async ({ duration, steps }, context) => {
      const token = context.mcpReq._meta?.progressToken;
      for (let step = 1; step <= steps; step += 1) {
        await new Promise((resolve) => setTimeout(resolve, (duration * 1000) / steps));
        if (token === undefined) continue;
        await context.mcpReq.notify({
          method: 'notifications/progress',
          params: { progressToken: token, progress: step, total: steps },
        });
      }
      return text('Long running operation completed.');
    },
  );
  return server;
}

const handler = toNodeHandler(createMcpHandler(everything, { legacy: 'reject' }));
const server = createServer((request, response) => handler(request, response));
server.listen(Number(process.argv[2] ?? 0), '127.0.0.1', () => {
  console.log(`http://127.0.0.1:${server.address().port}/mcp`);
});
