"""The floor of starting: a FastMCP server without anything.

python empty.py [PORT]
"""

import sys

from fastmcp import FastMCP

server = FastMCP("empty")

if len(sys.argv) > 1:
    server.run("http", port=int(sys.argv[1]), show_banner=False, log_level="ERROR")
else:
    server.run(show_banner=False)
