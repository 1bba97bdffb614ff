// What the tests call: an MCP endpoint that serves what server-everything serves.
//
//   MCP_URL       the endpoint
//   MCP_KEY       sent as a bearer token; absent: none is sent
//   MCP_CONNECTOR the connector's slug where the endpoint serves several: names have it as prefix,
//                 URIs as a part of their scheme
//   MCP_DISABLED  a tool that is there upstream and must not be offered
//   MCP_UPSTREAM  the era of what is upstream: "legacy" (default) or "modern"

const url = process.env.MCP_URL;
if (!url) throw new Error('set MCP_URL to the endpoint to test');

const connector = process.env.MCP_CONNECTOR ?? '';
const upstream = process.env.MCP_UPSTREAM ?? 'legacy';
const disabled = process.env.MCP_DISABLED;

const name = (own) => (connector ? `${connector}_${own}` : own);

export const target = {
  url: new URL(url),
  headers: process.env.MCP_KEY ? { authorization: `Bearer ${process.env.MCP_KEY}` } : {},
  upstream,
  /** A bare server wants no key. */
  throughGateway: Boolean(process.env.MCP_KEY),
  disabled: disabled && name(disabled),
  /** How the endpoint calls a tool or prompt of the server's. */
  name,
  /** How the endpoint writes a URI (or a URI template) of the server's. */
  uri: (own) => (connector ? `${connector}+${own}` : own),
  /** How the endpoint writes the URI of a `ui:` resource of the server's. */
  ui: (own) => (connector ? own.replace('ui://', `ui://${connector}/`) : own),
};
