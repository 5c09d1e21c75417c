"""Where the arbiter's log goes, and whom its files belong to."""

import contextlib
import dataclasses
import logging
import os

from litmus import log
from litmus.settings import Settings
from litmus.worker import privileges

_logger = logging.getLogger("litmus")


def configure(settings: Settings) -> None:
    """Open the log files as the arbiter. LogError when one cannot be opened; everything then stays as it was.

    The workers inherit them, but after a rotation they open the new ones themselves, as whoever they have become by
    then. So new files belong to that user and group from the start.
    """
    user, group = settings.arbiter.user, settings.arbiter.group
    try:
        owner = privileges.ids(user, group) if os.geteuid() == 0 and (user or group) else None
    except KeyError as error:  # removed from the system after the configuration was read
        raise log.LogError(f"the log files have no owner: {error.args[0]}") from error
    log.configure(settings.log, "arbiter", owner)


def note_failure(settings: Settings, text: str) -> None:
    """Write why the server does not run into the log's file, if it has one: nobody may read standard error.

    `settings` may be those that are to blame. What the log itself has against it is not worth another word here.
    """
    if settings.log.file is None:
        return
    with contextlib.suppress(log.LogError):
        configure(dataclasses.replace(settings, log=dataclasses.replace(settings.log, access=False)))
        _logger.critical("%s", text)
