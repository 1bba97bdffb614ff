// What the tests call: an MCP endpoint that serves the tools of server-everything.
//
//   MCP_URL       the endpoint
//   MCP_KEY       sent as a bearer token; absent: none is sent
//   MCP_PREFIX    what stands before each tool's name ("" or "everything_")
//   MCP_DISABLED  a tool that is there upstream and must not be offered (with its prefix)

const url = process.env.MCP_URL;
if (!url) throw new Error('set MCP_URL to the endpoint to test');

const prefix = process.env.MCP_PREFIX ?? '';

export const target = {
  url: new URL(url),
  headers: process.env.MCP_KEY ? { authorization: `Bearer ${process.env.MCP_KEY}` } : {},
  disabled: process.env.MCP_DISABLED,
  tool: (name) => prefix + name,
};

/** Reads every page of the tool list; `listPage` takes `{cursor}`. */
export async function allTools(listPage) {
  const tools = [];
  let cursor;
  for (let pages = 0; pages < 100; pages += 1) {
    const page = await listPage(cursor === undefined ? {} : { cursor });
    tools.push(...page.tools);
    cursor = page.nextCursor;
    if (cursor === undefined) return tools;
  }
  throw new Error('the tool list does not end');
}
