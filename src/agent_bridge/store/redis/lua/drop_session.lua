-- KEYS session, turns. ARGV principal, now. Whether there was one.
if not is_live(KEYS[1], ARGV[1], tonumber(ARGV[2])) then
  return 0
end
local run_id = redis.call('HGET', KEYS[1], 'busy_with')
if run_id and redis.call('EXISTS', sibling_run(KEYS[1], run_id)) == 1 then
  redis.call('HSET', sibling_run(KEYS[1], run_id), 'is_cancelled', 1)
  redis.call('PUBLISH', 'ab:cancels', run_id)
end
redis.call('DEL', KEYS[1], KEYS[2])
return 1
