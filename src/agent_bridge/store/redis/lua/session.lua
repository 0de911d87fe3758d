-- KEYS session. ARGV principal, now, until, extended below. Its body, when it expires, and whether that was extended.
-- Where nothing can be written now, it can still be read.
local now, life_until = tonumber(ARGV[2]), ARGV[3]
local expires_at, body = live(KEYS[1], ARGV[1], now, 'body')
if not expires_at then
  return nil
end
if tonumber(expires_at) >= tonumber(ARGV[4]) or not can_extend(KEYS[1], life_until) then
  return { body, expires_at, 0 }
end
keep(KEYS[1], tonumber(life_until) - now)
return { body, life_until, 1 }
