"""What the commands show and ask in a terminal. No rules: those are the bridge's."""
