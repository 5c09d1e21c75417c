"""Standard input, output and error: every program may take it that they are there."""

import os
import sys


def reserve() -> None:
    """Put /dev/null in the place of those that are closed.

    Else the next file or socket to be opened would get the number, and be written what is meant for the stream.
    """
    for number, name in enumerate(("stdin", "stdout", "stderr")):
        try:
            os.fstat(number)
        except OSError:
            opened = os.open(os.devnull, os.O_RDWR)  # as this number: it is the lowest that is free
            os.set_inheritable(opened, True)
            mode = "w" if number else "r"
            setattr(sys, name, os.fdopen(number, mode, encoding="utf-8", errors="backslashreplace", closefd=False))


def silence_stderr() -> None:
    """Let what Python writes to standard error go nowhere: nobody reads it.

    What it could not write would else make it end with exit code 120, whatever the program's own is.
    """
    sys.stderr = os.fdopen(os.open(os.devnull, os.O_WRONLY), "w", encoding="utf-8", errors="backslashreplace")
