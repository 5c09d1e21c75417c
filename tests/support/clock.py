"""Time that passes only when nothing else happens."""

import selectors


class Clock:
    """A clock that a test sets."""

    def __init__(self) -> None:
        self.now = 1000.0

    def __call__(self) -> float:
        return self.now


class JumpingSelector(selectors.DefaultSelector):
    """Never waits: when no descriptor is ready, the clock jumps to the end of the wait."""

    def __init__(self, clock: Clock) -> None:
        super().__init__()
        self.clock = clock

    def select(self, timeout: float | None = None) -> list[tuple[selectors.SelectorKey, int]]:
        ready = super().select(0)
        if not ready:
            assert timeout is not None, "the loop would wait for ever"
            self.clock.now += timeout
        return list(ready)
