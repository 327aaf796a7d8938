"""The overload's benchmark: does it send what it says, and judge what the issue asks?"""

import math
import os
import time

import pytest

from benchmarks.serving import histogram, overload
from benchmarks.serving.crowd import drive_from
from benchmarks.serving.histogram import Histogram
from benchmarks.serving.load import LOST, Measured
from serving.http.metrics import Metrics
from serving.inference.models import Models
from tests.test_benchmarks_serving import REQUEST, asgi_echo, serving

INFER = "/v2/models/{model}/infer"


def outcome(codes=(200, 503), **changed) -> overload.Outcome:
    measured = Measured(seconds=1.0, unsent=5, unexplained=changed.pop("unexplained", 0))
    for code in codes:
        for _ in range(50):
            measured.add(code, 0.002, 0.003)
    good = {
        "wanted": 100.0,
        "measured": measured,
        "unloaded": 1.0,
        "served": 18.0,
        "queue": 16.0,
        "memory": [100.0, 109.0, 92.0],
        "is_alive": True,
        "code": 0,
    }
    return overload.Outcome(**{**good, **changed})


def test_all_that_is_asked_holds(capsys):
    assert overload.report(outcome()) is True
    printed = capsys.readouterr().out
    assert "sent: 100/s of the 100/s wanted, 100 in all; 5 fell due" in printed
    assert "| 503 | 50 (50.0%) | 2.00 | 2.00 | 3.00 |" in printed
    assert "NO" not in printed


@pytest.mark.parametrize(
    "wrong",
    [
        {"codes": (200, 500)},
        {"codes": (200, LOST)},
        {"unexplained": 1},
        {"wanted": 112.0},
        {"served": 19.1},
        {"served": math.nan},
        {"memory": [100.0, 111.0, 100.0]},
        {"memory": [100.0, 89.0]},
        {"memory": []},
        {"is_alive": False},
        {"code": 1},
    ],
    ids=str,
)
def test_each_bar_is_judged(wrong, capsys):
    one = outcome(**wrong)
    assert list(one.bars().values()).count(False) == 1
    assert overload.report(one) is False
    assert "NO " in capsys.readouterr().out


def test_load_comes_from_several_processes():
    core = min(os.sched_getaffinity(0))
    with serving(asgi_echo.app) as port:
        started = time.perf_counter()
        measured = drive_from([core, core], port, REQUEST.wire(), 5, 0.5, rate=40)
        took = time.perf_counter() - started
    assert measured.sent + measured.unsent == 20
    assert measured.times.keys() == measured.since_due.keys() == {200}
    assert 0.5 <= measured.seconds < took
    assert 0 < measured.busy <= 1.1


def test_the_servers_own_p99_is_of_the_accepted_or_longer(tiny_model):
    watch = Metrics(Models([tiny_model]))
    watch.answered(INFER, 200, 0.0004)
    before = histogram.parse(watch.render()[0].decode())
    for seconds, count in ((0.0004, 180), (0.009, 18), (0.02, 2)):
        for _ in range(count):
            watch.answered(INFER, 200, seconds)
    for _ in range(1000):
        watch.answered(INFER, 503, 0.00005)
        watch.answered("unmatched", 503, 3.0)
    found = histogram.parse(watch.render()[0].decode()).since(before)
    assert found.accepted == 200
    assert found.at_most[math.inf] == 1200
    assert found.slowest(0.01) == pytest.approx(0.01)  # 2 of 200 took longer than its bucket's end
    assert found.slowest(0.055) == pytest.approx(0.0075)
    assert math.isnan(Histogram({math.inf: 3.0}, 0.0).slowest())
