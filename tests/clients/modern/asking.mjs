// Tools that ask back: elicitation by form and by URL, sampling, roots.

import { inputRequired } from '@modelcontextprotocol/server';
import { z } from 'zod';

import { texts } from './answers.mjs';

const PETS = ['Cats', 'Dogs', 'Birds', 'Fish', 'Reptiles'];
const FISH = ['Tuna', 'Salmon', 'Trout'];
const HEROES = ['Superman', 'Green Lantern', 'Wonder Woman'];
const titled = (word, titles) => titles.map((title, n) => ({ const: `${word}-${n + 1}`, title }));

const FORM = {
  type: 'object',
  properties: {
    name: { type: 'string', title: 'String', description: 'Your full name' },
    check: { type: 'boolean', title: 'Boolean' },
    firstLine: { type: 'string', default: 'It was a dark and stormy night.' },
    email: { type: 'string', format: 'email' },
    homepage: { type: 'string', format: 'uri' },
    birthdate: { type: 'string', format: 'date' },
    integer: { type: 'integer', minimum: 1, maximum: 100, default: 42 },
    number: { type: 'number', minimum: 0, maximum: 1000, default: 3.14 },
    untitledSingleSelectEnum: { type: 'string', enum: ['Monica', 'Ross'], default: 'Monica' },
    untitledMultipleSelectEnum: {
      type: 'array',
      minItems: 1,
      maxItems: 3,
      items: { type: 'string', enum: ['Guitar', 'Piano'] },
      default: ['Guitar'],
    },
    titledSingleSelectEnum: { type: 'string', oneOf: titled('hero', HEROES), default: 'hero-1' },
    titledMultipleSelectEnum: {
      type: 'array',
      items: { anyOf: titled('fish', FISH) },
      default: ['fish-1'],
    },
    legacyTitledEnum: {
      type: 'string',
      enum: PETS.map((_, n) => `pet-${n + 1}`),
      enumNames: PETS,
      default: 'pet-1',
    },
  },
  required: ['name'],
};

const SAID = {
  accept: '✅ User provided the requested information!',
  decline: '❌ User declined to provide the requested information.',
  cancel: '⚠️ User cancelled the elicitation dialog.',
};

const raw = (value) => `\nRaw result: ${JSON.stringify(value, null, 2)}`;
const ask = (key, request, requestState) =>
  inputRequired({ inputRequests: { [key]: request }, ...(requestState && { requestState }) });

export function registerAsking(server) {
  const tool = (name, inputSchema, run) =>
    server.registerTool(name, { description: 'Asks back.', inputSchema }, (input, { mcpReq }) =>
      run(input, mcpReq.inputResponses ?? {}, mcpReq.requestState()),
    );

  tool('trigger-elicitation-request', z.object({}), (_input, { form }) => {
    if (!form) {
      const message = 'Please provide inputs for the following fields:';
      return ask('form', inputRequired.elicit({ message, requestedSchema: FORM }));
    }
    if (form.action !== 'accept') return texts(SAID[form.action], raw(form));
    return texts(SAID.accept, `User inputs:\n- Name: ${form.content.name}\n`, raw(form));
  });

  tool(
    'trigger-url-elicitation',
    z.object({
      url: z.string(),
      message: z.string().default('Please open the link.'),
      errorPath: z.boolean().default(false),
    }),
    ({ url, message, errorPath }, { first, opened }, state) => {
      if (opened) return texts(`${SAID[opened.action]} URL: ${url}`, raw(opened));
      if (errorPath && !(first && state === 'first')) {
        const prerequisite = { message: 'First this.', url: 'https://modelcontextprotocol.io' };
        return ask('first', inputRequired.elicitUrl(prerequisite), 'first');
      }
      return ask('opened', inputRequired.elicitUrl({ message, url }));
    },
  );

  tool(
    'trigger-sampling-request',
    z.object({ prompt: z.string(), maxTokens: z.number().default(100) }),
    ({ prompt, maxTokens }, { sampled }) => {
      if (sampled) return texts(`LLM sampling result: \n${JSON.stringify(sampled, null, 2)}`);
      const content = {
        type: 'text',
        text: `Resource trigger-sampling-request context: ${prompt}`,
      };
      return ask(
        'sampled',
        inputRequired.createMessage({
          messages: [{ role: 'user', content }],
          systemPrompt: 'You are a helpful test server.',
          maxTokens,
          temperature: 0.7,
        }),
      );
    },
  );

  tool('get-roots-list', z.object({}), (_input, { roots }) => {
    if (!roots) return ask('roots', inputRequired.listRoots());
    const lines = roots.roots.map(({ name, uri }, n) => `${n + 1}. ${name}\n   URI: ${uri}\n`);
    return texts(`Current MCP Roots (${lines.length} total):\n\n${lines.join('\n')}`);
  });
}
