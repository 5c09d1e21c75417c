"""What fuzzing has found worth keeping, replayed."""

from pathlib import Path

import pytest

from fuzz.targets import TARGETS

CORPUS = Path(__file__).with_name("corpus")
INPUTS = [(path.parent.name, path.name) for path in sorted(CORPUS.glob("*/*"))]


def test_there_is_a_corpus_for_every_target() -> None:
    assert {target for target, _ in INPUTS} == set(TARGETS)


@pytest.mark.parametrize("target", TARGETS)
def test_replay(target: str) -> None:
    for name in (name for other, name in INPUTS if other == target):
        try:
            TARGETS[target]((CORPUS / target / name).read_bytes())
        except BaseException as error:
            error.add_note(f"the input is tests/fuzz/corpus/{target}/{name}")
            raise
