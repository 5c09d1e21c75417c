"""Workers that are stuck in a blocking call: their loops don't turn, so they neither accept nor answer.

A worker's loop writes the time on its scoreboard ten times a second. That it doesn't is seen here, without asking it.
"""

import logging
import time
from collections.abc import Iterable

from litmus.arbiter import obituary
from litmus.arbiter.slots import Worker, WorkerState
from litmus.memory.segment import Segment

_logger = logging.getLogger("litmus")


class Stalls:
    """Knows who is stuck, and tells the log when that begins and ends.

    Args:
        segment: where the workers sit.
        patience: seconds without a tick after which a worker counts as stuck.
    """

    def __init__(self, segment: Segment, patience: float) -> None:
        self._segment = segment
        self._patience = patience
        self._stuck: dict[Worker, float] = {}  # and the silence of each, in seconds, as it was last seen

    def __contains__(self, worker: Worker | None) -> bool:
        return worker in self._stuck

    def look(self, workers: Iterable[Worker]) -> bool:
        """Look at all workers that should be serving. Returns whether another one is stuck, or one no more."""
        before = self._stuck
        silences = ((worker, self._silence(worker)) for worker in workers)
        self._stuck = {worker: silence for worker, silence in silences if silence > self._patience}
        for worker, silence in self._stuck.items():
            if worker not in before:
                words = f"{worker} is stuck: its loop has not turned for {silence:.1f} s"
                _logger.warning("%s", "\n".join([words, *obituary.passengers(self._segment.seat(worker.seat))]))
        for worker, silence in before.items():
            if worker not in self._stuck and worker.state is WorkerState.READY:
                _logger.info("%s is not stuck any more, after at least %.1f s", worker, silence)
        return before.keys() != self._stuck.keys()

    def _silence(self, worker: Worker) -> float:
        tick = self._segment.seat(worker.seat).scoreboard.tick_ns
        return (time.monotonic_ns() - tick) / 1e9 if tick else 0.0
