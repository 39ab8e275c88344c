package redis

import "github.com/redis/go-redis/v9"

// claim makes the claims of one slot, in order. KEYS: the table's hash of buckets, its mark, then one for each claim. ARGV:
// time to live in milliseconds, the bound of the buckets that have ended, a digit for each claim that is 1 if it is forced,
// the values of all claims in a row, the length of each, the mark that the handle found, and the new buckets. Another mark, or
// none, means that the server has lost what it had. A value is 16 bytes of holder, then the end of
// the bucket in decimal seconds. One string of all values is cheaper to send and to parse than a thousand strings. The
// script returns a digit for each claim that is 1 if it is won.
var claim = redis.NewScript(`
local call, sub = redis.call, string.sub
local ttl, bound, forced, values, width = ARGV[1], tonumber(ARGV[2]), ARGV[3], ARGV[4], tonumber(ARGV[5])
if call('GET', KEYS[2]) ~= ARGV[6] then return 'lost' end
if #ARGV > 6 then
  local now = call('TIME')[1]
  for i = 7, #ARGV do call('HSETNX', KEYS[1], ARGV[i], now) end
end
local won = {}
for i = 1, #KEYS - 2 do
  local key, value = KEYS[2 + i], sub(values, (i - 1) * width + 1, i * width)
  local has = call('SET', key, value, 'NX', 'GET', 'PX', ttl)
  won[i] = '1'
  if has then
    local bucket = tonumber(sub(has, 17))
    if bucket < bound then
      call('SET', key, value, 'PX', ttl)
    elseif string.byte(forced, i) == 49 then
      if bucket > tonumber(sub(value, 17)) then
        value = sub(value, 1, 16) .. sub(has, 17)
      end
      call('SET', key, value, 'PX', ttl)
    elseif sub(has, 1, 16) ~= sub(value, 1, 16) then
      won[i] = '0'
    end
  end
end
return table.concat(won)
`)

// sweep deletes the begin of expired buckets and returns the age in seconds of the oldest other one. KEYS: the hash of
// buckets. ARGV: the bound of the buckets that have ended.
var sweep = redis.NewScript(`
local bound, oldest = tonumber(ARGV[1]), nil
local all = redis.call('HGETALL', KEYS[1])
for i = 1, #all, 2 do
  if tonumber(all[i]) < bound then
    redis.call('HDEL', KEYS[1], all[i])
  else
    local at = tonumber(all[i + 1])
    if not oldest or at < oldest then oldest = at end
  end
end
if not oldest then return 0 end
return tonumber(redis.call('TIME')[1]) - oldest
`)
