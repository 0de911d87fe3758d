"""One module for each thing that is asked; each has `async def measure(stage, rounds) -> list[Figure]`."""
