-- KEYS run. ARGV principal, now, until, extended below. Its fields, and whether its life was extended. Where nothing can
-- be written now, it can still be read.
local now, life_until = tonumber(ARGV[2]), ARGV[3]
if not is_live(KEYS[1], ARGV[1], now) then
  return nil
end
local fields = redis.call('HGETALL', KEYS[1])
if tonumber(redis.call('HGET', KEYS[1], 'expires_at')) >= tonumber(ARGV[4])
  or not can_extend(KEYS[1], life_until) then
  return { fields, 0 }
end
keep(KEYS[1], tonumber(life_until) - now)
for _, part in ipairs({ ':events', ':results' }) do
  keep_with(KEYS[1] .. part, KEYS[1])
end
return { fields, 1 }
