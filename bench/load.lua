-- wrk: depth, method, body size, connections of each thread, rest and think time come after "--"; the totals leave as one line of JSON.
function init(args)
  wrk.method = args[2]
  local bytes = tonumber(args[3])
  if bytes > 0 then wrk.body = string.rep("x", bytes) end
  local depth = tonumber(args[1])
  if depth > 1 then
    local batch = string.rep(wrk.format(), depth)
    request = function() return batch end
  end
  -- The first request of each connection waits until all are accepted, where latency is looked at: libuv accepts one for each
  -- turn of its loop, and under load those not accepted yet would be the slowest hundredth. The others are thought about.
  local waiting, rest, think = tonumber(args[4]), tonumber(args[5]), tonumber(args[6])
  if rest > 0 then
    delay = function()
      waiting = waiting - 1
      return math.random(0, 2 * think) + (waiting >= 0 and rest or 0)
    end
  end
end

function done(summary, latency)
  local e = summary.errors
  io.write(string.format(
    '\n{"requests":%d,"microseconds":%d,"bytes":%d,"p50":%d,"p99":%d,"errors":{"connect":%d,"read":%d,"write":%d,"status":%d,"timeout":%d}}\n',
    summary.requests, summary.duration, summary.bytes, latency:percentile(50), latency:percentile(99),
    e.connect, e.read, e.write, e.status, e.timeout))
end
