// What is known to fail in an arrangement, and whether a run agrees.
//
// A file has the suite's own form, `scenario` or `scenario:check-id` below `server:`, with two
// rules more: each entry says why in a comment on its line, and what does not apply is below
// `skipped:`: a scenario, whose outcome then does not count, or a check that the suite itself
// skips. A skip that is not listed is a failure: it hides that something was not offered.

import { readFile } from 'node:fs/promises';

/** Gives {server, skipped}: entry -> reason. Without a file nothing is listed. */
export async function readExpected(file) {
  const listed = { server: new Map(), skipped: new Map() };
  if (file === undefined) return listed;
  let section;
  for (const line of (await readFile(file, 'utf8')).split('\n')) {
    if (/^\s*(#.*)?$/.test(line)) continue;
    const [, heading] = /^(server|skipped):\s*(?:\[\])?\s*$/.exec(line) ?? [];
    if (heading) {
      section = listed[heading];
      continue;
    }
    const [, entry, reason] = /^ {2}- ([\w:.$-]+) +# (.+)$/.exec(line) ?? [];
    if (!entry || !section) throw new Error(`${file}: not an entry with its reason: ${line}`);
    section.set(entry, reason);
  }
  return listed;
}

const fails = ({ status }) => status === 'FAILURE' || status === 'WARNING';
const isSkipped = ({ status }) => status === 'SKIPPED';

/**
 * Compares. Gives lists of {entry, note}: `unlisted` failures and `stale` entries, either of which
 * fails the run; `known` failures; what is `skipped`, by us or by the suite; and counts.
 */
export function compare(scenarios, { server, skipped }) {
  const found = { unlisted: [], stale: [], known: [], skipped: [] };
  const counts = { passed: 0, scored: 0, scoredPassed: 0, unscored: 0, unscoredPassed: 0 };

  for (const [scenario, { checks, scored }] of scenarios) {
    if (skipped.has(scenario)) {
      found.skipped.push({ entry: scenario, note: skipped.get(scenario) });
      continue;
    }
    const failed = checks.filter(fails);
    counts.passed += checks.filter(({ status }) => status === 'SUCCESS').length;
    const kind = scored ? 'scored' : 'unscored';
    counts[kind] += 1;
    if (failed.length === 0) counts[`${kind}Passed`] += 1;

    for (const { id, errorMessage } of failed) {
      const entry = `${scenario}:${id}`;
      const reason = server.get(scenario) ?? server.get(entry);
      if (reason) found.known.push({ entry, note: reason });
      else found.unlisted.push({ entry, note: errorMessage });
    }
    for (const check of checks.filter(isSkipped)) {
      const entry = `${scenario}:${check.id}`;
      const reason = skipped.get(entry);
      if (reason) found.skipped.push({ entry, note: reason });
      else found.unlisted.push({ entry, note: 'skipped by the suite' });
    }
  }

  found.stale.push(...stale(scenarios, server, fails), ...stale(scenarios, skipped, isSkipped));
  return { ...found, counts };
}

/** The entries for which no check is as listed. A scenario that is skipped altogether always is. */
function stale(scenarios, listed, asListed) {
  const entries = [];
  for (const entry of listed.keys()) {
    const [scenario, id] = entry.split(':');
    const checks = scenarios.get(scenario)?.checks.filter((check) => !id || check.id === id);
    if (!checks?.length) entries.push({ entry, note: 'there is no such check' });
    else if (!checks.some(asListed) && (id || asListed === fails)) {
      entries.push({ entry, note: 'no longer: take it off the list' });
    }
  }
  return entries;
}
