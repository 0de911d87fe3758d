"""The doors: each decodes a request, asks the bridge, and words what comes back. Doors do not know each other."""
