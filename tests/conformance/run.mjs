// Runs the official conformance suite against an endpoint: the frozen requirements of 2025-11-25
// and 2026-07-28, scored and unscored, and of older revisions what applies to them. Fails when
// something fails or is skipped that is not listed in expected/, and when something listed passes.
//
//   MCP_KEY=… UPSTREAM=legacy node run.mjs URL [revision …]
//
// MCP_KEY    the endpoint's API key; without one the suite talks to the endpoint itself
// UPSTREAM   what is behind the endpoint, `legacy` or `modern`: what may fail is listed in
//            expected/<UPSTREAM>-upstream-<revision>.yml; without one, expected/direct-….yml
// RESULTS    what to call the folders below results/
// IN_TURN    set to run one revision after the other; else they are run side by side
//
// All checks are left in results/.

import { access } from 'node:fs/promises';
import path from 'node:path';
import { fileURLToPath } from 'node:url';

import { compare, readExpected } from './expected.mjs';
import { forward } from './forwarder.mjs';
import { runSet } from './suite.mjs';

const { MCP_KEY, UPSTREAM } = process.env;
const ARRANGEMENT = UPSTREAM ? `${UPSTREAM}-upstream` : 'direct';
const { RESULTS = ARRANGEMENT } = process.env;
const [address, ...wanted] = process.argv.slice(2);
if (!address) {
  console.error('usage: MCP_KEY=… UPSTREAM=legacy|modern node run.mjs URL [revision …]');
  process.exit(2);
}

/** The list of this arrangement, where there is something to list. */
async function listFor(revision) {
  const here = path.dirname(fileURLToPath(import.meta.url));
  const file = path.join(here, 'expected', `${ARRANGEMENT}-${revision}.yml`);
  return access(file).then(
    () => file,
    () => undefined,
  );
}

/** Runs one revision's set and says how it went; gives whether that is as expected. */
async function judge(url, revision) {
  const expected = await readExpected(await listFor(revision));
  const { scenarios, output } = await runSet(url, revision, `${RESULTS}-${revision}`);
  const { counts, unlisted, stale, known, skipped } = compare(scenarios, expected);
  const good = scenarios.size > 0 && unlisted.length === 0 && stale.length === 0;

  const { scored, scoredPassed, unscored, unscoredPassed, passed } = counts;
  const lines = [
    `== ${revision}, ${ARRANGEMENT}: ${good ? 'as expected' : 'NOT as expected'}`,
    `   scored ${scoredPassed}/${scored} scenarios, unscored ${unscoredPassed}/${unscored}; ` +
      `${passed} checks passed`,
  ];
  const list = (title, entries) => {
    for (const { entry, note } of entries) lines.push(`   ${title}: ${entry} (${note})`);
  };
  list('skipped', skipped);
  list('known to fail', known);
  list('listed but not failing', stale);
  list('FAILED', unlisted);
  if (scenarios.size === 0) lines.push(output);
  console.log(lines.join('\n'));
  return good;
}

const target = new URL(address);
const forwarder = MCP_KEY ? await forward(target, MCP_KEY) : undefined;
const url = String(forwarder?.url ?? target);
const started = Date.now();
const revisions = wanted.length > 0 ? wanted : ['2025-11-25', '2026-07-28'];
const verdicts = [];
for (const revision of revisions) {
  const verdict = judge(url, revision);
  verdicts.push(process.env.IN_TURN ? await verdict : verdict);
}
const good = (await Promise.all(verdicts)).every(Boolean);
console.log(`   ${((Date.now() - started) / 1000).toFixed(1)} s`);
forwarder?.close();
process.exitCode = good ? 0 : 1;
