-- KEYS run. ARGV run id.
if redis.call('EXISTS', KEYS[1]) == 1 then
  redis.call('HSET', KEYS[1], 'is_cancelled', 1)
  redis.call('PUBLISH', 'ab:cancels', ARGV[1])
end
