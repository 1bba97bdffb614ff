// A person connects an account of a provider. The fake provider's consent page is the one at which
// the browser arrives: what it asks for there is real.

import assert from 'node:assert/strict';
import { after, before, test } from 'node:test';
import { accounts, attempt, close, arrives, link, open, origin, person } from './person.mjs';

before(open);
after(close);

const CONTINUE = { name: 'Continue to GitLab' };

/** To the provider's page. */
async function depart(page, url) {
  await page.goto(url);
  await page.getByRole('button', CONTINUE).click();
  await page.getByRole('button', { name: 'Allow' }).waitFor();
}

/** Consents, and keeps the provider's answer from getting to the platform. */
async function callbackOf(page) {
  let location;
  await page.route('**/consent', async (route) => {
    const answer = await route.fetch({ maxRedirects: 0 });
    location = answer.headers().location;
    await route.abort();
  });
  await page.getByRole('button', { name: 'Allow' }).click().catch(() => {});
  await assert.doesNotReject(async () => {
    for (let tries = 0; !location && tries < 300; tries += 1) await page.waitForTimeout(20);
    assert.ok(location, 'the provider answered');
  });
  await page.unroute('**/consent');
  return location;
}

test('who asks for what is seen, and after consent there is an account', async () => {
  const { page, said, context } = await person();
  const { url, code, id } = await link('gitlab');

  const answer = await page.goto(url);

  const headers = answer.headers();
  const policy = headers['content-security-policy'];
  assert.match(policy, /default-src 'none'/);
  assert.match(policy, /frame-ancestors 'none'/);
  assert.doesNotMatch(policy, /unsafe|script-src/);
  assert.equal(headers['cache-control'], 'no-store');
  assert.equal(headers['x-content-type-options'], 'nosniff');
  assert.equal(headers['referrer-policy'], 'same-origin');
  assert.equal(await page.locator('html').getAttribute('lang'), 'en');
  assert.equal(await page.locator('script').count(), 0);
  await arrives(page, 'Connect your GitLab account');
  const text = await page.locator('main').innerText();
  for (const shown of ['Acme Ltd', 'Our GitLab', code, '127.0.0.1', 'everybody', 'read_api']) {
    assert.ok(text.includes(shown), `${shown} is not in: ${text}`);
  }
  const button = page.getByRole('button', CONTINUE);
  const colour = await button.evaluate((element) => getComputedStyle(element).backgroundColor);
  assert.equal(colour, 'rgb(26, 95, 180)', 'the sheet is in force');
  const [cookie] = await context.cookies(origin);
  assert.deepEqual([cookie.httpOnly, cookie.sameSite], [true, 'Lax']);
  assert.equal((await attempt('gitlab', id)).status, 'opened', 'a look takes no link');

  await button.click();
  await page.getByRole('button', { name: 'Allow' }).click();

  await arrives(page, 'Connected');
  const done = await page.locator('main').innerText();
  assert.ok(done.includes('ada') && done.includes('Our GitLab'), done);
  assert.equal((await attempt('gitlab', id)).status, 'connected');
  const [account] = await accounts('gitlab');
  assert.deepEqual([account.state, account.subject], ['connected', 'ada']);
  assert.deepEqual(said, [], 'nothing was refused by the policy, or failed');
  await page.goto(url);
  await arrives(page, 'This link has done its work');
});

test("the provider's answer counts in the browser that was sent there, and once", async () => {
  const [mine, theirs] = [await person(), await person()];
  const { url, id } = await link('gitlab');
  await depart(mine.page, url);
  const callback = await callbackOf(mine.page);

  // Somebody who has the answer, and a cookie of another link.
  const other = await link('gitlab');
  await theirs.page.goto(other.url);
  const stolen = await theirs.page.goto(callback);
  assert.equal(stolen.status(), 403);
  await arrives(theirs.page, 'This answer belongs to another browser');
  // Somebody who has the link.
  const taken = await theirs.page.goto(url);
  assert.equal(taken.status(), 409);
  await arrives(theirs.page, 'This link is used in another browser');

  const first = await mine.page.goto(callback);
  assert.equal(first.status(), 200);
  await arrives(mine.page, 'Connected');
  assert.equal((await attempt('gitlab', id)).status, 'connected');
  const again = await mine.page.goto(callback);
  assert.equal(again.status(), 409);
  await arrives(mine.page, 'This answer was here before');
});

test('who declines is told that nothing was connected, and so is who waits', async () => {
  const { page, said } = await person();
  const { url, id } = await link('gitlab');
  const known = (await accounts('gitlab')).length;
  await depart(page, url);

  await page.getByRole('button', { name: 'Deny' }).click();

  await arrives(page, 'The account was not connected');
  const ended = await attempt('gitlab', id);
  assert.equal(ended.status, 'failed');
  assert.match(ended.problem, /did not allow it/);
  assert.equal((await accounts('gitlab')).length, known);
  // The status of the page itself is all that the browser has to say.
  assert.deepEqual(said.filter((text) => !text.includes('403')), []);
});

test('who went to the provider and came back without an answer may go on', async () => {
  const { page } = await person();
  const { url, id } = await link('gitlab');
  await depart(page, url);

  await page.goBack();
  await page.getByRole('button', CONTINUE).click();
  await page.getByRole('button', { name: 'Allow' }).click();

  await arrives(page, 'Connected');
  assert.equal((await attempt('gitlab', id)).status, 'connected');
});

test('of several sites one is chosen with the keyboard alone', async () => {
  const { page, said } = await person();
  const { url } = await link('jira');
  await page.goto(url);
  await page.getByRole('button', { name: 'Continue to Jira' }).click();
  await page.getByRole('button', { name: 'Allow' }).click();
  await arrives(page, 'Choose a site');

  await page.getByRole('radio').first().focus();
  await page.keyboard.press('ArrowDown');
  await page.keyboard.press('Enter');

  await arrives(page, 'Connected');
  const [account] = await accounts('jira');
  assert.deepEqual(account.variables, { cloudId: 'cloud-2' });
  assert.deepEqual(said, []);
});
