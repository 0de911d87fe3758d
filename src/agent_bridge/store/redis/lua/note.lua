-- KEYS index. ARGV seconds to keep it, entry, score, how, then entries that may go. How: '' adds an entry that is not
-- there; 'sooner' also brings one forward.
for from = 5, #ARGV, 1000 do
  redis.call('ZREM', KEYS[1], unpack(ARGV, from, math.min(from + 999, #ARGV)))
end
local score = redis.call('ZSCORE', KEYS[1], ARGV[2])
if not score or (ARGV[4] == 'sooner' and tonumber(score) > tonumber(ARGV[3])) then
  redis.call('ZADD', KEYS[1], ARGV[3], ARGV[2])
end
keep(KEYS[1], tonumber(ARGV[1]))
