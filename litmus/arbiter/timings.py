"""How long the arbiter waits for its workers, and between its attempts."""

from dataclasses import dataclass


@dataclass(frozen=True)
class Timings:
    """How long the arbiter waits, in seconds. Options of nobody: they are here so that tests need not wait as long.

    Attributes:
        boot: for a worker to become ready.
        drain_grace: beyond ``timeouts.drain``, for a worker to end by itself.
        stop_grace: between telling a worker to stop and killing it.
        quit_grace: the same, when the whole server is to stop at once.
        settle: for handshakes that were begun before connections were steered away from a slot to be completed. The
            kernel picks the listener when the SYN comes; a second is the time after which it repeats its answer.
        healthy: a worker that has been ready so long is replaced at once when it dies, and without a grudge.
        backoff_first, backoff_cap: the pause before a respawn doubles from the one to the other.
        look: between two looks at whether the workers' loops turn, and whether they are full.
        stalled: a worker whose loop has not turned for so long is stuck; it does ten times a second.
    """

    boot: float = 120.0
    drain_grace: float = 5.0
    stop_grace: float = 2.0
    quit_grace: float = 1.0
    settle: float = 1.0
    healthy: float = 10.0
    backoff_first: float = 0.1
    backoff_cap: float = 30.0
    look: float = 0.5
    stalled: float = 1.0


class Backoff:
    """Pauses between the attempts to keep one slot served."""

    def __init__(self, timings: Timings) -> None:
        self._timings = timings
        self.failures = 0

    def after(self, served: float) -> float:
        """A worker died ``served`` seconds after it became ready (0: it never did): how long to wait for the next."""
        if served >= self._timings.healthy:
            self.failures = 0
            return 0.0
        self.failures += 1
        exponent = min(self.failures - 1, 32)  # beyond, the cap holds anyway, and floats would overflow some day
        return float(min(self._timings.backoff_first * 2**exponent, self._timings.backoff_cap))
