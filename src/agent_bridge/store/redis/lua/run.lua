-- KEYS run. ARGV principal, now, until, extended below. Its fields, and whether its life was extended. Where nothing can
-- be written now, it can still be read.
local now, life_until = tonumber(ARGV[2]), ARGV[3]
local expires_at = live(KEYS[1], ARGV[1], now)
if not expires_at then
  return nil
end
local fields = redis.call('HGETALL', KEYS[1])
if tonumber(expires_at) >= tonumber(ARGV[4]) or not can_extend(KEYS[1], life_until) then
  return { fields, 0 }
end
keep_run(KEYS[1], tonumber(life_until) - now)
return { fields, 1 }
