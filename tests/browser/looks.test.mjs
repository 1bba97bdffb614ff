// How the pages look, and whether everybody can use them: each at the width of a screen and of a
// phone, in light and dark, held against axe's rules for WCAG 2.2 AA and its best practices.

import assert from 'node:assert/strict';
import { readFileSync } from 'node:fs';
import { createRequire } from 'node:module';
import { after, before, test } from 'node:test';
import { close, arrives, link, open, origin, person, picture } from './person.mjs';

before(open);
after(close);

const axe = readFileSync(createRequire(import.meta.url).resolve('axe-core/axe.min.js'), 'utf8');
const TAGS = ['wcag2a', 'wcag2aa', 'wcag21a', 'wcag21aa', 'wcag22aa', 'best-practice'];

async function check(page, name) {
  await picture(page, name);
  // By the debugger, which the page's policy does not bind: it would run no script.
  await page.evaluate(axe);
  const found = await page.evaluate(
    (values) => globalThis.axe.run({ runOnly: { type: 'tag', values } }),
    TAGS,
  );
  const faults = found.violations.map((one) => `${one.id}: ${one.help}: ${one.nodes[0].html}`);
  assert.deepEqual(faults, [], name);
  assert.ok(found.passes.some((one) => one.id === 'color-contrast'), 'contrast was looked at');
  const [shown, wide] = await page.evaluate(() => {
    const { clientWidth, scrollWidth } = document.documentElement;
    return [clientWidth, scrollWidth];
  });
  assert.ok(wide <= shown, `${name} is wider than the window: ${wide} > ${shown}`);
  for (const button of await page.getByRole('button').all()) {
    const { height } = await button.boundingBox();
    assert.ok(height >= 44, `${name}: a finger hits no button of ${height} pixels`);
  }
}

for (const [dark, phone] of [[false, false], [true, false], [false, true], [true, true]]) {
  const kind = `${phone ? 'phone' : 'screen'}-${dark ? 'dark' : 'light'}`;
  test(`the pages are decent and can be used by everybody: ${kind}`, async () => {
    // With scripts, which axe is.
    const { page, said } = await person({ scripts: true, dark, phone });
    const { url } = await link('jira');

    await page.goto(url);
    await check(page, `visit-${kind}`);
    const ground = await page.evaluate(() => {
      const probe = document.createElement('div');
      probe.style.color = 'Canvas';
      document.body.append(probe);
      return getComputedStyle(probe).color;
    });
    assert.equal(ground === 'rgb(255, 255, 255)', !dark, `the ground is ${ground}`);
    await page.goto(url);
    await page.getByRole('button', { name: 'Continue to Jira' }).click();
    await page.getByRole('button', { name: 'Allow' }).click();
    await arrives(page, 'Choose a site');
    await check(page, `sites-${kind}`);
    await page.getByRole('radio').first().check();
    await page.getByRole('button', { name: 'Use this site' }).click();
    await arrives(page, 'Connected');
    await check(page, `connected-${kind}`);
    assert.deepEqual(said, []);
    await page.goto(`${origin}/connect/nobody-made-this`);
    await arrives(page, 'There is no such link');
    await check(page, `refused-${kind}`);
  });
}
