-- One request of the modern era, over and over.
--
--   BENCH_KEY     sent as a bearer token when set; of several, with commas between them, each in turn
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
local keys = {}
for key in (os.getenv("BENCH_KEY") or ""):gmatch("[^,]+") do keys[#keys + 1] = key end
if keys[1] then wrk.headers["authorization"] = "Bearer " .. keys[1] end

-- One request is made once, by wrk itself; several are, here.
if keys[2] then
  local requests, turn = {}, 0
  function init()
    for n, key in ipairs(keys) do
      wrk.headers["authorization"] = "Bearer " .. key
      requests[n] = wrk.format()
    end
  end

  function request()
    turn = turn % #requests + 1
    return requests[turn]
  end
end

-- calls, microseconds, p50 and p99 in microseconds, failures
done = function(summary, latency, requests)
  local e = summary.errors
  io.write(string.format("RESULT %d %d %d %d %d\n", summary.requests, summary.duration,
    latency:percentile(50), latency:percentile(99),
    e.connect + e.read + e.write + e.status + e.timeout))
end
