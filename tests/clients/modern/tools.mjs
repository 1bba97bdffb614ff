// Tools that answer at once, with every kind of content.

import { z } from 'zod';

import { text, texts } from './answers.mjs';
import { BLOB, TEXT, dynamic } from './resources.mjs';

const PIXEL =
  'iVBORw0KGgoAAAANSUhEUgAAAAEAAAABCAYAAAAfFcSJAAAADUlEQVR42mNk+M9QDwADhgGAWjR9awAAAABJRU5ErkJggg==';
const image = (annotations) => ({
  type: 'image',
  data: PIXEL,
  mimeType: 'image/png',
  ...(annotations && { annotations }),
});

const WEATHER = { temperature: 36, conditions: 'Light rain / drizzle', humidity: 82 };
const ANNOTATED = {
  error: ['Error: Operation failed', { priority: 1, audience: ['user', 'assistant'] }],
  success: ['Operation completed successfully', { priority: 0.7, audience: ['user'] }],
  debug: ['Debug: Cache hit ratio 0.95', { priority: 0.3, audience: ['assistant'] }],
};

export function registerTools(server) {
  server.registerTool(
    'echo',
    { description: 'Says the message back.', inputSchema: z.object({ message: z.string() }) },
    async ({ message }) => texts(`Echo: ${message}`),
  );
  server.registerTool(
    'get-structured-content',
    {
      description: 'Tells the weather of a place.',
      inputSchema: z.object({ location: z.string() }),
      outputSchema: z.object({
        temperature: z.number(),
        conditions: z.string(),
        humidity: z.number(),
      }),
    },
    async () => ({ ...texts(JSON.stringify(WEATHER)), structuredContent: WEATHER }),
  );
  server.registerTool(
    'get-tiny-image',
    { description: 'Gives a picture.', inputSchema: z.object({}) },
    async () => ({ content: [text('A picture:'), image()] }),
  );
  server.registerTool(
    'get-annotated-message',
    {
      title: 'Get Annotated Message Tool',
      description: 'Annotates its content.',
      inputSchema: z.object({
        messageType: z.enum(['error', 'success', 'debug']),
        includeImage: z.boolean().default(false),
      }),
      annotations: {
        readOnlyHint: true,
        destructiveHint: false,
        idempotentHint: true,
        openWorldHint: false,
      },
    },
    async ({ messageType, includeImage }) => {
      const [message, annotations] = ANNOTATED[messageType];
      const content = [{ ...text(message), annotations }];
      if (includeImage) content.push(image({ priority: 0.5, audience: ['user'] }));
      return { content };
    },
  );
  server.registerTool(
    'get-resource-links',
    {
      description: 'Links to resources.',
      inputSchema: z.object({ count: z.number().int().min(1).max(10) }),
    },
    async ({ count }) => {
      const links = Array.from({ length: count }, (_, n) => ({
        type: 'resource_link',
        name: `Resource ${n + 1}`,
        uri: (n % 2 === 0 ? BLOB : TEXT).replace('{resourceId}', n + 1),
      }));
      return { content: [text('Links:'), ...links] };
    },
  );
  server.registerTool(
    'get-resource-reference',
    {
      description: 'Holds a resource.',
      inputSchema: z.object({ resourceType: z.enum(['Text', 'Blob']), resourceId: z.number() }),
    },
    async ({ resourceType, resourceId }) => {
      const resource = dynamic(resourceType, resourceId);
      return {
        content: [text('A resource:'), { type: 'resource', resource }, text('That was it.')],
      };
    },
  );
}
