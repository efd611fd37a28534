-- wrk: depth, method and body size come after "--"; the totals leave as one line of JSON.
function init(args)
  wrk.method = args[2]
  local bytes = tonumber(args[3])
  if bytes > 0 then wrk.body = string.rep("x", bytes) end
  local depth = tonumber(args[1])
  if depth > 1 then
    local batch = string.rep(wrk.format(), depth)
    request = function() return batch end
  end
end

function done(summary)
  local e = summary.errors
  io.write(string.format(
    '\n{"requests":%d,"microseconds":%d,"bytes":%d,"errors":{"connect":%d,"read":%d,"write":%d,"status":%d,"timeout":%d}}\n',
    summary.requests, summary.duration, summary.bytes, e.connect, e.read, e.write, e.status, e.timeout))
end
