import os
import pwd
from pathlib import Path

from support.marks import needs_root
from support.processes import in_child

from litmus.cli.checking import load_in_child
from litmus.configuration import load
from litmus.loading import Override


def test_an_application_that_never_comes_back_is_given_up(tmp_path: Path) -> None:
    (tmp_path / "shop.py").write_text("import signal\nsignal.pause()\n")
    overrides = [Override("app.target", "shop:app"), Override("app.chdir", str(tmp_path))]
    failure = load_in_child(load(None, environ={}, overrides=overrides), deadline=0.2)
    assert failure is not None
    assert "it was not loaded within 200ms" in failure.reason


@needs_root
def test_a_user_that_it_cannot_become_is_told_in_one_line() -> None:
    settings = load(None, environ={}, overrides=[Override("arbiter.user", "root")])

    def work() -> None:
        os.setuid(pwd.getpwnam("nobody").pw_uid)
        failure = load_in_child(settings, deadline=30)
        assert failure is not None
        assert failure.reason == (
            "arbiter.user = 'root', arbiter.group = '': a worker cannot become that: Operation not permitted"
        )
        assert failure.traceback == ""

    in_child(work)
