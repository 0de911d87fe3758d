"""What agent-bridge costs, measured beside what one would write by hand; `python -m benchmarks --help`."""
