// What two endpoints may differ in, taken out of a message; everything else stays byte for byte.

import { elements, member, members, object } from './raw.mjs';

const SERVER_INFO = 'io.modelcontextprotocol/serverInfo';
const SUBSCRIPTION = 'io.modelcontextprotocol/subscriptionId';

/** Members of a result that are the endpoint's own, by the method that was asked. */
const OWN = {
  initialize: ['serverInfo', 'instructions', 'capabilities'],
  'server/discover': ['instructions', 'capabilities'],
};
/** For how long and whom a result may be kept is the endpoint's policy, state is sealed by it. */
const ALWAYS_OWN = ['ttlMs', 'cacheScope', 'requestState'];

const byName = ([a], [b]) => (a < b ? -1 : 1);
const mask = (text) =>
  text
    .replace(/"blob":"([^"]+)"/g, (_, blob) => `"blob":"${Buffer.from(blob, 'base64')}"`)
    .replace(/[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}/g, '<uuid>')
    .replace(/\d{1,2}:\d\d:\d\d [AP]M/g, '<time>');

const parsed = (text) => JSON.stringify(JSON.parse(text));
const sorted = (text) => object(members(text).sort(byName));

/** A tool that demands a task does not say so where tasks are not offered. */
const demandsTask = ([name, value]) =>
  name === 'execution' && JSON.parse(value).taskSupport === 'required';

function tools(text, unlisted) {
  const listed = elements(text)
    .filter((tool) => !unlisted.includes(JSON.parse(member(tool, 'name'))))
    .map((tool) => (members(tool).some(demandsTask) ? withoutDemand(tool) : tool));
  return `[${listed.join(',\n')}]`;
}

const withoutDemand = (tool) => object(members(tool).filter((it) => !demandsTask(it)));

function result(text, method, unlisted) {
  const gone = [...(OWN[method] ?? []), ...ALWAYS_OWN];
  const kept = members(text)
    .filter(([name]) => !gone.includes(name))
    .flatMap(([name, value]) => {
      // Every endpoint has cursors of its own.
      if (name === 'nextCursor') return [[name, '<cursor>']];
      if (name === 'tools' && method === 'tools/list') return [[name, tools(value, unlisted)]];
      if (name !== '_meta') return [[name, value]];
      const meta = members(value).filter(([key]) => key !== SERVER_INFO);
      return meta.length > 0 ? [[name, object(meta)]] : [];
    });
  return method === 'server/discover' ? sorted(object(kept)) : object(kept);
}

/** Notifications that an endpoint writes itself, around what the server said. */
const WRITTEN_ANEW = ['notifications/progress', 'notifications/subscriptions/acknowledged'];

function params(text, method) {
  const value = ([name, found]) => {
    if (name === 'elicitationId') return '<id>';
    // The client's own, however they are written.
    if (name === 'progressToken') return parsed(found);
    if (name !== '_meta') return found;
    return object(members(found).map(([key, it]) => [key, key === SUBSCRIPTION ? parsed(it) : it]));
  };
  const kept = object(members(text).map((it) => [it[0], value(it)]));
  return WRITTEN_ANEW.includes(method) ? sorted(kept) : kept;
}

const error = (text, words) => (words ? text : member(text, 'code'));

/**
 * One message without what may differ.
 *
 * @param text the message
 * @param method what was asked, for a response
 * @param options.errorTexts whether the words of errors are compared
 * @param options.unlisted tools that are not compared
 */
export function normal(text, method, { errorTexts = true, unlisted = [] } = {}) {
  const isRequest = member(text, 'method') !== undefined && member(text, 'id') !== undefined;
  const kept = members(text).map(([name, value]) => {
    // A response has the id that was sent, however that is written.
    if (name === 'id') return [name, isRequest ? '<id>' : parsed(value)];
    if (name === 'result') return [name, result(value, method, unlisted)];
    if (name === 'params') return [name, params(value, JSON.parse(member(text, 'method')))];
    if (name === 'error') return [name, error(value, errorTexts)];
    return [name, value];
  });
  return mask(object(kept.sort(byName)));
}

/** What a server says it can do, but for what is agreed on with each hop alone. */
export function capabilities(text) {
  const all = JSON.parse(member(text, 'result', 'capabilities'));
  for (const own of ['tasks', 'experimental', 'extensions']) delete all[own];
  return JSON.stringify(inOrder(all));
}

function inOrder(value) {
  if (value === null || typeof value !== 'object') return value;
  return Object.fromEntries(
    Object.keys(value)
      .sort()
      .map((key) => [key, inOrder(value[key])]),
  );
}
