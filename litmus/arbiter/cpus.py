"""How many processors this process may use: what ``workers = "auto"`` stands for.

A container is often allowed two processors' worth of time on a machine with 64. The affinity mask doesn't show it; the
cgroup's quota does (version 2: ``cpu.max``, version 1: ``cpu.cfs_quota_us`` and ``cpu.cfs_period_us``).
"""

import math
import os
import re
from collections.abc import Iterator
from pathlib import Path

_ESCAPED = re.compile(r"\\([0-7]{3})")


def available(root: Path = Path("/"), affinity: int | None = None) -> int:
    """Return the number of processors to plan for, at least 1.

    The smaller one of the affinity mask and the tightest quota on the way from this process's cgroup up to the root;
    a broken quota of 2.5 processors counts as 2, because a third worker would be throttled. ``root`` (where ``proc``
    is, and under which mount points are looked up) and ``affinity`` are there for tests.
    """
    processors = len(os.sched_getaffinity(0)) if affinity is None else affinity
    quota = min(_quotas(root), default=math.inf)
    return max(1, min(processors, math.floor(quota)) if quota != math.inf else processors)


def _quotas(root: Path) -> Iterator[float]:
    """The quotas that hold for this process, in processors, from its own cgroup up to the root of each mount."""
    groups = _lines(root / "proc/self/cgroup")
    mounts = _lines(root / "proc/self/mountinfo")
    for group in groups:
        _, controllers, path = ([*group.split(":", 2), "", ""])[:3]
        if controllers == "":  # 0::/path is the one hierarchy of version 2
            for mount_root, mount_point in _mounts(mounts, "cgroup2", ""):
                for folder in _upwards(root, mount_root, mount_point, path):
                    yield from _quota_v2(folder)
        elif "cpu" in controllers.split(","):
            for mount_root, mount_point in _mounts(mounts, "cgroup", "cpu"):
                for folder in _upwards(root, mount_root, mount_point, path):
                    yield from _quota_v1(folder)


def _mounts(mounts: list[str], kind: str, controller: str) -> Iterator[tuple[str, str]]:
    """Root and mount point of the cgroup mounts of this kind; see proc(5), /proc/pid/mountinfo."""
    for line in mounts:
        before, separator, after = line.partition(" - ")
        fields, rest = before.split(), after.split()
        if not separator or len(fields) < 5 or len(rest) < 3 or rest[0] != kind:
            continue
        if not controller or controller in rest[2].split(","):
            yield _unescape(fields[3]), _unescape(fields[4])


def _upwards(root: Path, mount_root: str, mount_point: str, path: str) -> Iterator[Path]:
    """The folders of a cgroup and of its ancestors, as far as they are visible below the mount point.

    In a container the mount often shows only a part of the hierarchy (``mount_root``), and the path of the group is
    told either from the whole one or, with a cgroup namespace, from the visible one.
    """
    top = root / mount_point.lstrip("/")
    inner = path.removeprefix(mount_root.rstrip("/")) if _is_below(path, mount_root) else path
    folder = top / inner.lstrip("/")
    if (
        ".." in folder.parts or not folder.is_dir()
    ):  # a group outside of what this namespace shows: only the top is left
        folder = top
    yield folder
    while folder != top:
        folder = folder.parent
        yield folder


def _is_below(path: str, ancestor: str) -> bool:
    return path == ancestor or path.startswith(ancestor.rstrip("/") + "/")


def _quota_v2(folder: Path) -> Iterator[float]:
    """``cpu.max`` is "max 100000" or "<µs of processor time> <in each period of µs>"."""
    fields = _read(folder / "cpu.max").split()
    if len(fields) == 2 and fields[0].isdigit() and fields[1].isdigit() and int(fields[1]) > 0:
        yield int(fields[0]) / int(fields[1])


def _quota_v1(folder: Path) -> Iterator[float]:
    """A quota of -1 means that there is none."""
    quota, period = _read(folder / "cpu.cfs_quota_us").strip(), _read(folder / "cpu.cfs_period_us").strip()
    if quota.isdigit() and period.isdigit() and int(period) > 0:
        yield int(quota) / int(period)


def _unescape(text: str) -> str:
    r"""mountinfo writes blanks in paths as \040."""
    return _ESCAPED.sub(lambda match: chr(int(match[1], 8)), text)


def _lines(path: Path) -> list[str]:
    return _read(path).splitlines()


def _read(path: Path) -> str:
    """The file's text, or nothing: no file of these has to exist, and without them there is no quota."""
    try:
        return path.read_text(errors="replace")
    except OSError:
        return ""
