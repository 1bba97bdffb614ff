// Steps that several features take.

/** Reads every page of a list; `listPage` takes `{cursor}`. */
export async function all(member, listPage) {
  const found = [];
  let cursor;
  for (let pages = 0; pages < 100; pages += 1) {
    const page = await listPage(cursor === undefined ? {} : { cursor });
    found.push(...page[member]);
    cursor = page.nextCursor;
    if (cursor === undefined) return found;
  }
  throw new Error(`the list of ${member} does not end`);
}

/** Makes a refused call throw: servers say it with an `isError` result or with an error. */
export async function refused(call) {
  const result = await call;
  if (result.isError) throw new Error(result.content[0].text);
}

/** Asks again until `look` gives something. */
export async function eventually(what, look) {
  const end = Date.now() + 10_000;
  for (;;) {
    const found = await look();
    if (found) return found;
    if (Date.now() > end) throw new Error(`not in time: ${what}`);
    await new Promise((resolve) => setTimeout(resolve, 50));
  }
}
