"""The arbiter: binds the sockets, forks the workers and watches them. Starts at arbiter.py."""
