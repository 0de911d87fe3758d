-- KEYS session, turns. ARGV principal, now. Whether there was one.
local expires_at, run_id = live(KEYS[1], ARGV[1], tonumber(ARGV[2]), 'busy_with')
if not expires_at then
  return 0
end
if run_id and redis.call('EXISTS', sibling_run(KEYS[1], run_id)) == 1 then
  redis.call('HSET', sibling_run(KEYS[1], run_id), 'is_cancelled', 1)
  redis.call('PUBLISH', 'ab:cancels', run_id)
end
redis.call('DEL', KEYS[1], KEYS[2])
return 1
