// Every feature, as tests of one way to connect.

import { describe, test } from 'node:test';

import { asking, notAsked } from './asking.mjs';
import { prompts } from './prompts.mjs';
import { resources } from './resources.mjs';
import { tools } from './tools.mjs';
import { working } from './working.mjs';

const FEATURES = { tools, prompts, resources, working, asking };
/** What revisions before 2025-11-25 have not, in part because a server may not tell them. */
const NOT_BEFORE = {
  'a URL is opened': '2025-11-25',
  'a URL that must be opened first is opened first': '2025-11-25',
  'a form is filled in': '2025-06-18',
  'a form is declined, or put away': '2025-06-18',
  'resource links lead to resources': '2025-06-18',
  'a list that changed is read anew, and so is what is new in it': '2025-06-18',
  'structured content comes with its text': '2025-06-18',
  'a tool is described in full': '2025-06-18',
};

/**
 * Declares the tests.
 *
 * @param how says how it connects
 * @param connect gives a connected peer; takes the capabilities to declare, everything unless said
 * @param revision the revision that is spoken, the newest unless said
 */
export function everyFeature(how, connect, revision = '2026-07-28') {
  const has = ([title]) => (NOT_BEFORE[title] ?? '') <= revision;
  const run = (story, capabilities) => async () => {
    const peer = await connect(capabilities);
    try {
      await story(peer);
    } finally {
      await peer.close();
    }
  };
  for (const [feature, stories] of Object.entries(FEATURES)) {
    describe(`${how}, ${feature}`, () => {
      for (const [title, story] of Object.entries(stories).filter(has)) test(title, run(story));
    });
  }
  describe(`${how}, declaring nothing`, () => {
    for (const [title, story] of Object.entries(notAsked)) test(title, run(story, {}));
  });
}
