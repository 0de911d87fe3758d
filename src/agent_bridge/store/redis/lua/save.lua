-- KEYS run, events, results. ARGV lifetime, then a checkpoint. Whether the run has not passed to another owner.
local life = lifetime(1)
if not save(KEYS[1], KEYS[2], KEYS[3], life, 5) then
  return 0
end
keep_run(KEYS[1], life.seconds)
keep_with(KEYS[2], KEYS[1])
keep_with(KEYS[3], KEYS[1])
return 1
