-- KEYS run, events, results. ARGV lifetime, then a checkpoint. Whether the run has not passed to another owner.
return save(KEYS[1], KEYS[2], KEYS[3], lifetime(1), 5) and 1 or 0
