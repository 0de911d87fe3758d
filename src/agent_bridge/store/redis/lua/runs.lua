-- KEYS session, runs. ARGV principal, now, how many at most. The fields of each run, newest first.
local found = {}
for _, member in ipairs(redis.call('ZREVRANGE', KEYS[2], 0, -1)) do
  local run = sibling_run(KEYS[1], string.match(member, ':(.*)'))
  if live(run, ARGV[1], tonumber(ARGV[2])) then
    found[#found + 1] = redis.call('HGETALL', run)
    if #found == tonumber(ARGV[3]) then
      break
    end
  end
end
return found
