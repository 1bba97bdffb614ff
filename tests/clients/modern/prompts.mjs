// Prompts, with and without arguments that are completed.

import { completable } from '@modelcontextprotocol/server';
import { z } from 'zod';

import { text } from './answers.mjs';
import { dynamic } from './resources.mjs';

const TEAMS = {
  Engineering: ['Alice', 'Bob', 'Charlie'],
  Sales: ['David', 'Eve', 'Frank'],
  Marketing: ['Grace', 'Henry', 'Iris'],
  Support: ['John', 'Kim', 'Lee'],
};

const says = (...contents) => ({
  messages: contents.map((content) => ({ role: 'user', content })),
});
const starting = (values, start) => values.filter((value) => value.startsWith(start));

export function registerPrompts(server) {
  server.registerPrompt('simple-prompt', { title: 'Simple Prompt' }, () =>
    says(text('This is a simple prompt without arguments.')),
  );
  server.registerPrompt(
    'args-prompt',
    {
      title: 'Arguments Prompt',
      argsSchema: z.object({ city: z.string(), state: z.string().optional() }),
    },
    ({ city, state }) => says(text(`What's weather in ${city}${state ? `, ${state}` : ''}?`)),
  );
  server.registerPrompt(
    'completable-prompt',
    {
      title: 'Team Management',
      argsSchema: z.object({
        department: completable(z.string(), (value) => starting(Object.keys(TEAMS), value)),
        name: completable(z.string(), (value, context) =>
          starting(TEAMS[context?.arguments?.department] ?? [], value),
        ),
      }),
    },
    ({ department, name }) => says(text(`Please promote ${name} to the head of ${department}.`)),
  );
  server.registerPrompt(
    'resource-prompt',
    {
      title: 'Resource Prompt',
      argsSchema: z.object({ resourceType: z.string(), resourceId: z.string() }),
    },
    ({ resourceType, resourceId }) =>
      says(text('See:'), { type: 'resource', resource: dynamic(resourceType, resourceId) }),
  );
}
