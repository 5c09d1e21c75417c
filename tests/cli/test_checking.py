from pathlib import Path

from litmus.cli.checking import load_in_child
from litmus.settings import Override, load


def test_an_application_that_never_comes_back_is_given_up(tmp_path: Path) -> None:
    (tmp_path / "shop.py").write_text("import signal\nsignal.pause()\n")
    overrides = [Override("app.target", "shop:app"), Override("app.chdir", str(tmp_path))]
    failure = load_in_child(load(None, environ={}, overrides=overrides), deadline=0.2)
    assert failure is not None
    assert "it was not loaded within 200ms" in failure.reason
