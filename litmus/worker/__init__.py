"""The worker process: what happens after the fork."""
