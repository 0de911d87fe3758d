-- KEYS index. ARGV seconds to keep it, entry, score, how, then entries that may go. How: 'NX' adds an entry that is not
-- there; 'LT' also brings one forward; 'CH' always gives it the score, which is the time, and forgets entries that were
-- not noted for as long as the index is kept.
local seconds, entry, score, how = unpack(ARGV, 1, 4)
for from = 5, #ARGV, 1000 do
  redis.call('ZREM', KEYS[1], unpack(ARGV, from, math.min(from + 999, #ARGV)))
end
redis.call('ZADD', KEYS[1], how, score, entry)
if how == 'CH' then
  redis.call('ZREMRANGEBYSCORE', KEYS[1], '-inf', tonumber(score) - tonumber(seconds))
end
keep(KEYS[1], tonumber(seconds))
