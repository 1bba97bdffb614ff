// A person with a browser profile of their own, and the links that they are given.
//
//   PLATFORM_URL   where the platform serves
//   PLATFORM_KEY   a tenant_admin's key
//   TENANT         its tenant
//   CHROMIUM       the program; default: Debian's
//   SCREENSHOTS    a folder for pictures of the pages; none are taken without it

import { mkdirSync } from 'node:fs';
import { join } from 'node:path';
import { chromium } from 'playwright-core';

const platform = process.env.PLATFORM_URL;
if (!platform) throw new Error('set PLATFORM_URL to the platform to test');
const tenant = process.env.TENANT;
const key = process.env.PLATFORM_KEY;
export const origin = new URL(platform).origin;

async function ask(method, connector, rest, body) {
  const path = `/api/v1/admin/tenants/${tenant}/connectors/${connector}/${rest}`;
  const answer = await fetch(new URL(path, platform), {
    method,
    headers: { authorization: `Bearer ${key}`, 'content-type': 'application/json' },
    body: body && JSON.stringify(body),
  });
  if (!answer.ok) throw new Error(`${method} ${path}: ${answer.status} ${await answer.text()}`);
  return answer.json();
}

/** A new link: `url`, `code`, `id`. */
export const link = (connector) => ask('POST', connector, 'connections', {});

/** How far the attempt behind a link is. */
export const attempt = (connector, id) => ask('GET', connector, `connections/${id}`);

export const accounts = async (connector) => (await ask('GET', connector, 'accounts')).accounts;

let browser;

export async function open() {
  const executablePath = process.env.CHROMIUM ?? '/usr/bin/chromium';
  browser = await chromium.launch({ executablePath });
}

export const close = () => browser?.close();

/** A profile without scripts, unless `scripts`. `said` is what it complained of in our pages. */
export async function person({ scripts = false, dark = false, phone = false } = {}) {
  const context = await browser.newContext({
    javaScriptEnabled: scripts,
    colorScheme: dark ? 'dark' : 'light',
    viewport: phone ? { width: 360, height: 740 } : { width: 1280, height: 800 },
    isMobile: phone,
  });
  context.setDefaultTimeout(15_000);
  const page = await context.newPage();
  const said = [];
  page.on('console', (message) => {
    const at = message.location().url;
    if (!at || at.startsWith(origin)) said.push(message.text());
  });
  page.on('pageerror', (error) => said.push(String(error)));
  return { context, page, said };
}

/** Waits until a page with this main heading is there; says which one is instead. */
export async function arrives(page, text) {
  const found = page.getByRole('heading', { level: 1, name: text, exact: true });
  await found.waitFor().catch(async () => {
    throw new Error(`"${text}" did not come, but: ${await page.locator('body').innerText()}`);
  });
}

export async function picture(page, name) {
  const folder = process.env.SCREENSHOTS;
  if (!folder) return;
  mkdirSync(folder, { recursive: true });
  await page.screenshot({ path: join(folder, `${name}.png`), fullPage: true });
}
