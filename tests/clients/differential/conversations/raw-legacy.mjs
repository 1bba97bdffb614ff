// With raw-server.mjs in the legacy era.

import { raw } from './raw.mjs';

// Without a level an endpoint may choose what it tells.
const { steps, ...rest } = raw('legacy', [{ ask: 'ping' }]);
export const conversation = {
  ...rest,
  steps: [{ ask: 'logging/setLevel', params: '{"level":"debug"}' }, ...steps],
};
