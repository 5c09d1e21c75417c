import argparse
import json
from xml.etree import ElementTree

import pytest

from loadtest import command, measures, plot, report
from loadtest.errors import MeasurementError
from loadtest.plot import Panel
from loadtest.report import COST, RATE, Figure, Result, Sample
from loadtest.servers import Server


def sample(cost: float, rate: float = 1000.0, disturbance: float = 0.0, busy: float = 0.5) -> Sample:
    remark = measures.bottleneck(busy)
    return Sample(values={COST: cost, RATE: rate}, disturbance=disturbance, load_busy=busy, remark=remark)


RESULTS = [
    Result("litmus", [sample(11.5, 81000.0), sample(12.04, 79000.0), sample(13.0, 80000.0)]),
    Result("uvicorn", [sample(23.0, 32000.0), sample(30.1, 30000.4), sample(52.0, 33000.0)]),
    Result("hypercorn", [], "answered 500"),
]


def test_a_round_in_words() -> None:
    assert str(sample(12.34, 80_123.4)) == "12.3 µs/request  80,123 requests/s"


def test_median_and_range_over_the_rounds() -> None:
    assert Figure.of([30.0, 10.0, 11.0]) == Figure(11.0, 10.0, 30.0)
    assert Figure.of([10.0, 20.0]).median == 15.0


def test_the_ratio_is_taken_round_by_round() -> None:
    litmus, uvicorn, _ = RESULTS
    assert litmus.ratio(COST, uvicorn) == pytest.approx((0.4, 0.25, 0.5))


def test_the_table() -> None:
    assert report.table(RESULTS).splitlines() == [
        "server   µs/request    min-max  ratio    min-max  requests/s        min-max",
        "litmus         12.0  11.5-13.0   0.40  0.25-0.50      80,000  79,000-81,000",
        "uvicorn        30.1  23.0-52.0   1.00  1.00-1.00      32,000  30,000-33,000",
        "hypercorn: failed",
        "litmus takes 0.40 of what uvicorn does, the best of its peers",
    ]
    assert report.remarks(RESULTS) == []


def test_one_round_has_no_range() -> None:
    assert report.table([Result("granian", [sample(20.0)])]).splitlines() == [
        "server   µs/request  ratio  requests/s",
        "granian        20.0   1.00       1,000",
    ]


def test_nothing_could_be_measured() -> None:
    assert report.table([RESULTS[2]]) == "server\nhypercorn: failed"
    assert report.as_json([RESULTS[2]])["servers"] == [{"name": "hypercorn", "failure": "answered 500"}]


def test_the_results_for_machines() -> None:
    document = json.loads(json.dumps(report.as_json(RESULTS)))
    assert (document["baseline"], document["compared"]) == ("uvicorn", ["microseconds_per_request"])
    litmus, _, hypercorn = document["servers"]
    assert litmus["microseconds_per_request"] == {
        "median": 12.04,
        "low": 11.5,
        "high": 13.0,
        "ratio": {"median": 0.4, "low": 0.25, "high": 0.5},
        "rounds": [11.5, 12.04, 13.0],
    }
    assert "ratio" not in litmus["requests_per_second"]
    assert (litmus["load_generator_busy"], litmus["disturbance"]) == (0.5, 0.0)
    assert hypercorn == {"name": "hypercorn", "failure": "answered 500"}


def test_litmus_stands_beside_the_best_of_its_peers_round_by_round() -> None:
    granian, nginx = Result("granian", [sample(20.0)] * 3), Result("nginx", [sample(8.0)] * 3)
    assert report.standing([*RESULTS, granian, nginx]) == ("granian", pytest.approx((0.602, 0.575, 0.65)))
    assert report.as_json([*RESULTS, granian])["standing"]["best_peer"] == "granian"


@pytest.mark.parametrize("alone", [RESULTS[:1], RESULTS[1:], [RESULTS[0], Result("floor", [sample(8.0)] * 3)], []])
def test_there_is_no_standing_without_litmus_or_without_a_peer(alone: list[Result]) -> None:
    assert report.standing(alone) is None
    assert report.as_json(alone)["standing"] is None


def test_it_is_said_when_the_load_generator_was_the_bottleneck() -> None:
    results = [Result("litmus", [sample(12), sample(12, busy=0.97)]), Result("nginx", [sample(8, busy=0.99)] * 2)]
    (remark,) = report.remarks(results)
    assert remark.startswith("litmus, nginx: the load generator was the bottleneck (95% of its processor or more)")


def test_it_is_said_when_the_client_itself_was_late() -> None:
    assert measures.lateness(0.09, 1.0) == ""
    assert "the client that measures was late itself" in measures.lateness(0.11, 1.0)


def test_it_is_said_when_the_machine_was_not_idle() -> None:
    (remark,) = report.remarks([Result("litmus", [sample(10), sample(10, disturbance=0.31), sample(10)])])
    assert "others took up to 31% of a processor" in remark


# The picture


def test_the_picture() -> None:
    panels = [Panel("hello", "GET / <13 bytes>", RESULTS), Panel("echo", "POST /", [RESULTS[2]])]
    picture = plot.svg("What it costs", ["AMD EPYC & others"], panels)
    texts = ["".join(each.itertext()) for each in ElementTree.fromstring(picture).iter() if each.tag.endswith("}text")]
    assert texts == [
        "What it costs",
        "AMD EPYC & others",
        "hello: µs/request",
        "GET / <13 bytes>",
        "litmus",
        "12.00.40",
        "uvicorn",
        "30.11.00",
        "hypercorn",
        "failed",
    ]


def test_a_bar_that_is_much_longer_is_broken_off() -> None:
    slow = Result("hypercorn", [sample(1000.0)])
    normal = [Result("litmus", [sample(10.0)]), Result("uvicorn", [sample(20.0)])]
    assert 'class="break"' in plot.svg("", [], [Panel("hello", "", [*normal, slow])])
    assert 'class="break"' not in plot.svg("", [], [Panel("hello", "", normal)])


# Rounds


def test_rounds_are_interleaved_and_who_fails_is_left_out(capsys: pytest.CaptureFixture[str]) -> None:
    asked = []

    def measure(server: Server) -> Sample:
        asked.append(server.name)
        if server.name == "liar" and len(asked) > 2:
            raise MeasurementError("failed some requests")
        return sample(10.0)

    contenders = [Server(name, "1", lambda setup: []) for name in ("honest", "liar")]
    honest, liar = command.in_rounds(contenders, 3, measure)
    assert asked == ["honest", "liar", "honest", "liar", "honest"]
    assert (len(honest.samples), honest.failure) == (3, None)
    assert liar.failure == "failed some requests"
    assert "round 2/3  liar: failed some requests" in capsys.readouterr().err
    with pytest.raises(MeasurementError, match="could not measure liar"):
        command.insist([honest, liar])


def test_nothing_can_be_no_baseline() -> None:
    server = Server("idle", "1", lambda setup: [])
    (result,) = command.in_rounds([server], 1, lambda _: sample(0.0))
    assert result.failure == "0.0 µs/request: too little was done to measure it"


def test_names_are_taken_in_their_order_and_unknown_ones_are_refused() -> None:
    pick = command.some_of(["a", "b", "c"])
    assert pick("c,a") == ["a", "c"]
    with pytest.raises(argparse.ArgumentTypeError, match="there is no 'd', '' among a, b, c"):
        pick("a,d,")


@pytest.mark.parametrize(
    ("disturbances", "taken", "counts"),
    [
        ([0.04], 1, 0),
        ([0.3, 0.01], 2, 1),
        ([0.3, 0.2, 0.25], 3, 1),
        ([0.3, 0.35, 0.2], 3, 2),
    ],
)
def test_a_round_that_others_disturbed_is_repeated_and_the_calmest_counts(
    disturbances: list[float], taken: int, counts: int
) -> None:
    """Not the one with the best result."""
    samples = [sample(10.0 + number, disturbance=each) for number, each in enumerate(disturbances)]
    ahead = iter(samples)
    measured = command.undisturbed(lambda _: next(ahead), again=2)(Server("litmus", "1", lambda _: []))
    assert measured is samples[counts]
    assert len(list(ahead)) == len(samples) - taken == 0
