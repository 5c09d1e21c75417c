"""What can go wrong for good in the arbiter."""


class StartupError(Exception):
    """The server cannot start (or a reload cannot bind); the text names the key, the value and the fix."""


class SpawnError(Exception):
    """The kernel would not give what a new worker needs: a process, descriptors, memory; or no seat is free."""
