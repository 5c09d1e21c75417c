"""Processors, as affinity and cgroups allow them; on trees made up for the purpose."""

import os
from pathlib import Path

import pytest

from litmus.arbiter import cpus
from litmus.arbiter.changes import workers_wanted
from litmus.configuration import load
from litmus.loading import Override
from litmus.settings import MAX_WORKERS

V2_MOUNT = "31 23 0:28 / /sys/fs/cgroup rw,relatime - cgroup2 cgroup2 rw"
V1_MOUNT = "32 31 0:29 {root} /sys/fs/cgroup/cpu,cpuacct rw,relatime - cgroup cgroup rw,cpu,cpuacct"


@pytest.fixture
def tree(tmp_path: Path) -> Path:
    (tmp_path / "proc/self").mkdir(parents=True)
    return tmp_path


def write(tree: Path, files: dict[str, str]) -> None:
    for name, content in files.items():
        path = tree / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(content + "\n")


def test_without_any_quota_affinity_decides(tree: Path) -> None:
    assert cpus.available(tree, affinity=6) == 6


def test_here_it_is_at_least_one_and_at_most_the_affinity() -> None:
    assert 1 <= cpus.available() <= len(os.sched_getaffinity(0))


@pytest.mark.parametrize(
    ("processors", "expected"), [(1, 1), (MAX_WORKERS, MAX_WORKERS), (MAX_WORKERS + 1, MAX_WORKERS)]
)
def test_as_many_workers_as_processors_but_no_more_than_there_can_be(
    monkeypatch: pytest.MonkeyPatch, processors: int, expected: int
) -> None:
    monkeypatch.setattr(cpus, "available", lambda: processors)
    settings = load(None, environ={}, overrides=[Override("arbiter.workers", "auto", "test")])
    assert workers_wanted(settings) == expected


@pytest.mark.parametrize(
    ("quota", "expected"),
    [
        ("max 100000", 8),
        ("200000 100000", 2),
        ("250000 100000", 2),
        ("50000 100000", 1),
        ("1600000 100000", 8),
        ("nonsense", 8),
        ("100000 0", 8),
        ("", 8),
    ],
)
def test_version_2(tree: Path, quota: str, expected: int) -> None:
    write(tree, {"proc/self/mountinfo": V2_MOUNT, "proc/self/cgroup": "0::/app", "sys/fs/cgroup/app/cpu.max": quota})
    assert cpus.available(tree, affinity=8) == expected


def test_version_2_takes_the_tightest_quota_on_the_way_to_the_root(tree: Path) -> None:
    write(
        tree,
        {
            "proc/self/mountinfo": V2_MOUNT,
            "proc/self/cgroup": "0::/system.slice/litmus.service/worker",
            "sys/fs/cgroup/system.slice/cpu.max": "300000 100000",
            "sys/fs/cgroup/system.slice/litmus.service/cpu.max": "max 100000",
            "sys/fs/cgroup/system.slice/litmus.service/worker/cpu.max": "500000 100000",
        },
    )
    assert cpus.available(tree, affinity=8) == 3


def test_version_2_with_a_quota_at_the_root_of_the_namespace(tree: Path) -> None:
    write(tree, {"proc/self/mountinfo": V2_MOUNT, "proc/self/cgroup": "0::/", "sys/fs/cgroup/cpu.max": "150000 100000"})
    assert cpus.available(tree, affinity=8) == 1


def test_version_1(tree: Path) -> None:
    write(
        tree,
        {
            "proc/self/mountinfo": V1_MOUNT.format(root="/"),
            "proc/self/cgroup": "4:memory:/elsewhere\n1:cpu,cpuacct:/docker/abc",
            "sys/fs/cgroup/cpu,cpuacct/cpu.cfs_quota_us": "-1",
            "sys/fs/cgroup/cpu,cpuacct/cpu.cfs_period_us": "100000",
            "sys/fs/cgroup/cpu,cpuacct/docker/abc/cpu.cfs_quota_us": "350000",
            "sys/fs/cgroup/cpu,cpuacct/docker/abc/cpu.cfs_period_us": "100000",
        },
    )
    assert cpus.available(tree, affinity=8) == 3


def test_version_1_where_the_mount_shows_only_our_own_group(tree: Path) -> None:
    write(
        tree,
        {
            "proc/self/mountinfo": V1_MOUNT.format(root="/docker/abc"),
            "proc/self/cgroup": "1:cpu,cpuacct:/docker/abc",
            "sys/fs/cgroup/cpu,cpuacct/cpu.cfs_quota_us": "200000",
            "sys/fs/cgroup/cpu,cpuacct/cpu.cfs_period_us": "100000",
        },
    )
    assert cpus.available(tree, affinity=8) == 2


def test_a_group_outside_of_what_is_mounted_falls_back_to_the_top_of_the_mount(tree: Path) -> None:
    write(
        tree,
        {
            "proc/self/mountinfo": V2_MOUNT,
            "proc/self/cgroup": "0::/../sibling",
            "sys/fs/cgroup/cpu.max": "100000 100000",
            "sys/fs/sibling/cpu.max": "700000 100000",
        },
    )
    assert cpus.available(tree, affinity=8) == 1


def test_both_versions_side_by_side_and_a_blank_in_the_mount_point(tree: Path) -> None:
    write(
        tree,
        {
            "proc/self/mountinfo": "garbage\n"
            r"41 31 0:38 / /sys/fs/my\040groups rw - cgroup2 cgroup2 rw"
            f"\n{V1_MOUNT.format(root='/')}",
            "proc/self/cgroup": "garbage\n1:cpu,cpuacct:/a\n0::/a",
            "sys/fs/my groups/a/cpu.max": "400000 100000",
            "sys/fs/cgroup/cpu,cpuacct/a/cpu.cfs_quota_us": "500000",
            "sys/fs/cgroup/cpu,cpuacct/a/cpu.cfs_period_us": "100000",
        },
    )
    assert cpus.available(tree, affinity=8) == 4
