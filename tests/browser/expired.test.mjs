// A link that is over. The platform's links are good for a few seconds here.

import assert from 'node:assert/strict';
import { after, before, test } from 'node:test';
import { attempt, close, arrives, link, open, person } from './person.mjs';

before(open);
after(close);

test('a link that is over says so, and so does its page that was opened in time', async () => {
  const [early, late] = [await person(), await person()];
  const { url, id } = await link('gitlab');
  await early.page.goto(url);
  while ((await attempt('gitlab', id)).status !== 'expired') await early.page.waitForTimeout(100);

  const answer = await late.page.goto(url);
  assert.equal(answer.status(), 410);
  await arrives(late.page, 'This link is over');
  await early.page.getByRole('button', { name: 'Continue to GitLab' }).click();
  await arrives(early.page, 'This link is over');
});
