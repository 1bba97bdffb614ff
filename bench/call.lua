-- One request of the modern era, over and over.
--
--   BENCH_KEY     sent as a bearer token when set
--   BENCH_METHOD  tools/call or tools/list
--   BENCH_TOOL    the tool that is called: echo (256 bytes of request), large, steps

local method = os.getenv("BENCH_METHOD") or "tools/call"
local tool = os.getenv("BENCH_TOOL") or "echo"
local meta = '"_meta":{"io.modelcontextprotocol/protocolVersion":"2026-07-28",' ..
  '"io.modelcontextprotocol/clientCapabilities":{}'

local body
if method == "tools/list" then
  body = '{"jsonrpc":"2.0","id":1,"method":"tools/list","params":{' .. meta .. '}}}'
else
  if tool == "steps" then meta = meta .. ',"progressToken":"p"' end
  local head = '{"jsonrpc":"2.0","id":1,"method":"tools/call","params":{"name":"' .. tool ..
    '",' .. meta .. '},"arguments":{"message":"'
  local tail = '"}}}'
  body = head .. string.rep("x", math.max(1, 256 - #head - #tail)) .. tail
  wrk.headers["mcp-name"] = tool
end

wrk.method = "POST"
wrk.body = body
wrk.headers["content-type"] = "application/json"
wrk.headers["accept"] = "application/json, text/event-stream"
wrk.headers["mcp-protocol-version"] = "2026-07-28"
wrk.headers["mcp-method"] = method
local key = os.getenv("BENCH_KEY")
if key and key ~= "" then
  wrk.headers["authorization"] = "Bearer " .. key
end

-- calls, microseconds, p50 and p99 in microseconds, failures
done = function(summary, latency, requests)
  local e = summary.errors
  io.write(string.format("RESULT %d %d %d %d %d\n", summary.requests, summary.duration,
    latency:percentile(50), latency:percentile(99),
    e.connect + e.read + e.write + e.status + e.timeout))
end
