"""``python -m fuzz TARGET SECONDS [atheris options]``, with tests/ on the path: see ``make fuzz``."""

import logging
import os
import sys
from pathlib import Path

import atheris

os.environ["LITMUS_PURE"] = "1"  # only interpreted code can be seen into
import litmus  # noqa: F401 - its finder of interpreted modules has to be there before that of atheris

CORPUS = Path(__file__).with_name("corpus")
LARGEST_INPUT = 4096
LONGEST_RUN = 5  # seconds for one input; whoever takes longer hangs

with atheris.instrument_imports(include=["litmus", "fuzz"]):
    from fuzz.targets import TARGETS


def main() -> None:
    """Fuzz until the time is over or something is found, which is written to the current folder."""
    logging.getLogger("litmus").setLevel(logging.CRITICAL)  # applications that fail do so on purpose
    name, seconds, *options = sys.argv[1:]
    limits = [f"-max_total_time={seconds}", f"-max_len={LARGEST_INPUT}", f"-timeout={LONGEST_RUN}"]
    atheris.Setup([sys.argv[0], str(CORPUS / name), *limits, *options], TARGETS[name])
    atheris.Fuzz()


if __name__ == "__main__":
    main()
