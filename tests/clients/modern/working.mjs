// Tools that tell something while they work.

import { z } from 'zod';

import { texts } from './answers.mjs';

const LEVELS = ['debug', 'info', 'notice', 'warning', 'error', 'critical', 'alert', 'emergency'];

export function registerWorking(server, state) {
  server.registerTool(
    'trigger-long-running-operation',
    {
      description: 'Takes its time and says how far it is.',
      inputSchema: z.object({ duration: z.number(), steps: z.number().int().min(1).max(1000) }),
    },
    async ({ duration, steps }, { mcpReq }) => {
      const token = mcpReq._meta?.progressToken;
      for (let step = 1; step <= steps; step += 1) {
        await new Promise((resolve) => setTimeout(resolve, (duration * 1000) / steps));
        if (mcpReq.signal.aborted) {
          state.stopped += 1;
          break;
        }
        if (token === undefined) continue;
        await mcpReq.notify({
          method: 'notifications/progress',
          params: { progressToken: token, progress: step, total: steps },
        });
      }
      return texts('Long running operation completed.');
    },
  );
  server.registerTool(
    'get-stopped-operations',
    { description: 'Says how many operations were stopped.', inputSchema: z.object({}) },
    async () => texts(String(state.stopped)),
  );
  server.registerTool(
    'toggle-simulated-logging',
    { description: 'Logs once at each level.', inputSchema: z.object({}) },
    async (_arguments, { mcpReq }) => {
      for (const level of LEVELS) await mcpReq.log(level, `${level}-level message`, 'modern');
      return texts('Logged.');
    },
  );
}
