"""What the help of each command says below its flags: examples, and what one cannot guess."""

from __future__ import annotations

MAIN = """\
examples:
  agent-bridge ask "what is 17*23, and what time is it in Tokyo?"
  agent-bridge install claude-desktop
  agent-bridge check --config servers.yaml

Without a servers.yaml there is a server called assistant, with a clock and a calculator, and the model is the
first one that the environment has a key for.
Every flag may be given in the environment instead, by the name in brackets behind it. A flag beats the
environment, which beats servers.yaml."""
ASK = """\
examples:
  agent-bridge ask "what is 17*23, and what time is it in Tokyo?"
  agent-bridge ask --session ses_... "and in Oslo?"
  git diff | agent-bridge ask --model anthropic/claude-haiku-4-5 - > review.txt
  agent-bridge ask --json "what is 2**100?" | jq .response

The answer goes to stdout, everything else to stderr. What the model says before a tool call is part of what is
streamed; --no-stream prints the last answer alone.

exit codes:
  0    the run completed, or stopped at a limit (the answer may be partial)
  1    the run failed
  2    something that was asked for is wrong: a flag, a name, the configuration
  3    the run needs an approval, and there is no terminal to ask on; chat --session asks for it
  130  interrupted with Ctrl-C; the run was cancelled"""
CHAT = """\
examples:
  agent-bridge chat
  agent-bridge chat --server assistant --model openai/gpt-4o-mini
  agent-bridge chat --session ses_...
  printf '%s\\n' "my name is Ada" "what is my name?" | agent-bridge chat

/help lists what else can be typed. Ctrl-C cancels the answer that is being given, Ctrl-D leaves.
Tool calls that need approval are asked about: y makes the call, n does not, e edits its arguments first. What an
earlier command left open is asked when its session is gone on with."""
SERVE = """\
examples:
  agent-bridge serve                                    for a host that starts it (see install)
  agent-bridge serve --transport http --port 8000       MCP at http://127.0.0.1:8000/mcp

Over stdio, stdout belongs to the protocol; the log goes to stderr."""
WORKER = """\
example:
  agent-bridge worker --store redis://redis.internal:6379/0

More hands for the servers that share the Redis store: give it the same store, the same servers.yaml and the same keys.
Told to end, it gives its runs a moment (drain_s), then hands them to the others."""
INSTALL = """\
examples:
  agent-bridge install claude-desktop
  agent-bridge install vscode --config ~/agents/servers.yaml --name agents
  agent-bridge install cursor --print

The entry starts this environment's agent-bridge by its absolute path, with the servers.yaml that is in use here.
Everything else in the file stays; the file as it was is kept beside it, with .bak behind its name. Keys and other
variables are not copied; what has to be set is listed."""
LOGIN = """\
examples:
  agent-bridge login issues
  agent-bridge login issues --no-browser
  agent-bridge login issues --principal 'token|ci'
  agent-bridge login issues --logout

For upstreams with auth: oauth. The tokens are kept in the store, sealed with AGENT_BRIDGE_SECRET_KEY, or with a key in
a file beside the SQLite database. They are renewed without you; where that fails, you are told to log in again."""
CHECK = """\
examples:
  agent-bridge check
  agent-bridge check --json | jq '.checks[] | select(.ok | not)'
  agent-bridge check --schema > servers.schema.json

Reads the configuration, opens the store, connects to every upstream, and looks for every model's credentials.
Exits with 1 where anything is broken."""
LOCK = """\
examples:
  agent-bridge lock
  agent-bridge lock docs --yes
  git diff servers.lock

Writes servers.lock beside servers.yaml: what each upstream says of each of its tools. With that file, a tool that is
new or says something else is withheld from every model until it is accepted here. Exits with 1 where an upstream could
not be reached, whose entries then stay, and where nobody accepted what has changed."""
SERVERS = """\
example:
  agent-bridge servers --json | jq -r '.servers[].name'"""
MODELS = """\
examples:
  agent-bridge models
  agent-bridge models --provider openai --query mini
  agent-bridge models --json | jq -r '.models[] | select(.available) | .id'

Any LiteLLM model id can be used, listed or not."""
