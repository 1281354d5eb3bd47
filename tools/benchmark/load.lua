-- What wrk sends to quorated: wrk -s load.lua URL -- KIND. Requests are made before the clock starts, and drawn from at random.
-- Keys have 16 bytes: a prefix for each kind of load and a number.

local function key(prefix, number) return string.format('bench/%s/%08d', prefix, number) end

local function put(prefix, number, bytes)
  return wrk.format('PUT', '/kv/' .. key(prefix, number), nil, string.rep('v', bytes))
end

local function get(number, query) return wrk.format('GET', '/kv/' .. key('r', number) .. query) end

local function batch(number)
  local lines = {}
  for i = 1, 100 do lines[i] = 'PUT ' .. key('b', number * 100 + i) .. ' ' .. string.rep('v', 256) end
  return wrk.format('POST', '/kv/batch', nil, table.concat(lines, '\n'))
end

-- kind: how many different requests, and each of them
local kinds = {
  put256 = { 100000, function(i) return put('p', i, 256) end },
  put4k = { 10000, function(i) return put('q', i, 4096) end },
  get = { 100000, function(i) return get(i, '') end },
  stale = { 100000, function(i) return get(i, '?consistency=stale') end },
  mix = { 100000, function(i) return get(i, '') end },
  batch = { 1000, batch },
  range = { 90000, function(i) return wrk.format('GET', '/kv/range?limit=100&start=' .. key('r', i)) end },
}

local made, made_puts, is_mix = {}, {}, false
puts = 0 -- sent, of the mix

function init(args)
  local count, make = unpack(kinds[args[1]])
  for i = 1, count do made[i] = make(i) end
  is_mix = args[1] == 'mix'
  if is_mix then
    for i = 1, count do made_puts[i] = put('r', i, 256) end
  end
  math.randomseed(os.time())
end

function request()
  if is_mix and math.random(10) == 1 then
    puts = puts + 1
    return made_puts[math.random(#made_puts)]
  end
  return made[math.random(#made)]
end

local threads = {}
function setup(thread) table.insert(threads, thread) end

-- wrk counts an answer above 399 as an error of status. Times are in microseconds.
function done(summary, latency)
  local e, sent = summary.errors, 0
  for _, thread in ipairs(threads) do sent = sent + thread:get('puts') end
  print(string.format(
    'WRK {"answered":%d,"us":%d,"bytes":%d,"errors":%d,"puts":%d,"p50":%d,"p99":%d,"p999":%d}',
    summary.requests, summary.duration, summary.bytes, e.status + e.connect + e.read + e.write + e.timeout, sent,
    latency:percentile(50), latency:percentile(99), latency:percentile(99.9)))
end
