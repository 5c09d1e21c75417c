"""Where the arbiter's log goes, and whom its files belong to."""

import os

from litmus import log
from litmus.settings import Settings
from litmus.worker import privileges


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
