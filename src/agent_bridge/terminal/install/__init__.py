"""The `install` command: the bridge in the configuration of the hosts that start it."""
