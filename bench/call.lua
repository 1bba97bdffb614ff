-- One tools/call of the modern era, 256 bytes, over and over.
--
--   BENCH_KEY  sent as a bearer token when set

local head = '{"jsonrpc":"2.0","id":1,"method":"tools/call","params":{"name":"echo",' ..
  '"_meta":{"io.modelcontextprotocol/protocolVersion":"2026-07-28",' ..
  '"io.modelcontextprotocol/clientCapabilities":{}},"arguments":{"message":"'
local tail = '"}}}'
local body = head .. string.rep("x", 256 - #head - #tail) .. tail

wrk.method = "POST"
wrk.body = body
wrk.headers["content-type"] = "application/json"
wrk.headers["accept"] = "application/json, text/event-stream"
wrk.headers["mcp-protocol-version"] = "2026-07-28"
wrk.headers["mcp-method"] = "tools/call"
wrk.headers["mcp-name"] = "echo"
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
