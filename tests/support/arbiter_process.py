"""An arbiter with fake workers, as a program: ``python -m support.arbiter_process litmus.toml '{"settle": 0.1}'``."""

import ctypes
import functools
import json
import os
import sys
from pathlib import Path
from typing import Any

from support import fake_worker

from litmus.arbiter.arbiter import Arbiter
from litmus.arbiter.crew import Crew
from litmus.arbiter.errors import StartupError
from litmus.arbiter.fleet import Fleet
from litmus.arbiter.listeners import Listeners
from litmus.arbiter.timings import Timings
from litmus.configuration import load

PR_SET_CHILD_SUBREAPER = 36

BREAKABLE = {"plan": (Listeners, "plan"), "grow": (Crew, "grow"), "spawn": (Fleet, "spawn")}


def make_breakable(owner: type, name: str, mark: Path) -> None:
    """From now on the method raises what nobody foresees, as long as there is a file ``mark``."""
    method = getattr(owner, name)

    @functools.wraps(method)
    def breakable(*args: Any, **kwargs: Any) -> Any:
        if mark.exists():
            raise RuntimeError(f"{name} is broken")
        return method(*args, **kwargs)

    setattr(owner, name, breakable)


def main() -> int:
    read = functools.partial(load, Path(sys.argv[1]), environ={})
    if os.environ.get("LISTEN_FDS"):
        os.environ["LISTEN_PID"] = str(os.getpid())
    if os.environ.get("SUBREAPER"):
        ctypes.CDLL(None).prctl(PR_SET_CHILD_SUBREAPER, 1, 0, 0, 0)  # as if this were process 1
    if breakable := os.environ.get("BREAKABLE"):
        make_breakable(*BREAKABLE[breakable], Path(sys.argv[1]).with_name("broken"))
    try:
        return Arbiter(read(), read, worker_main=fake_worker.main, timings=Timings(**json.loads(sys.argv[2]))).run()
    except StartupError as error:
        sys.stderr.write(f"StartupError: {error}\n")
        return 1


if __name__ == "__main__":
    sys.exit(main())
