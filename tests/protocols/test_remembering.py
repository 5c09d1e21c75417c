"""The bound on what is remembered."""

from litmus.protocols.remembering import remember


def test_a_full_memory_is_emptied_and_goes_on() -> None:
    known: dict[bytes, int] = {}
    sizes = []
    for number in range(7):
        remember(known, b"%d" % number, number, 3)
        assert known[b"%d" % number] == number
        sizes.append(len(known))
    assert sizes == [1, 2, 3, 1, 2, 3, 1]
