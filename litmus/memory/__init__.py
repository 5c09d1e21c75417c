"""The shared segment and what lies in it: scoreboards, flight tables, and the slab arenas of the workers."""
