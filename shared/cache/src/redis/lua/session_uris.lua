-- URIs are written one behind the other, each as `<bytes>:<uri>`.
local function each(text, visit)
  local from = 1
  while from <= #text do
    local colon = string.find(text, ':', from, true)
    local length = tonumber(string.sub(text, from, colon - 1))
    visit(string.sub(text, colon + 1, colon + length))
    from = colon + length + 1
  end
end

