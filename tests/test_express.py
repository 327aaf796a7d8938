"""Ordinary inference requests are answered without the application, and in every way as by it."""

import asyncio
import json
import logging

import pytest

from tests.wire import PATH, PIXELS, as_bytes, as_json, counts, http

TIMES = ("date", "x-request-id")


@pytest.mark.parametrize(
    ("body", "headers"),
    [
        (as_json(), {}),
        (as_json(4, id="seven"), {"X-Request-Id": "mine"}),
        (as_json(outputs=[{"name": "probabilities"}]), {"Accept-Encoding": "gzip, deflate"}),
        as_bytes(2),
        (PIXELS.astype("<f4").tobytes(), {"Inference-Header-Content-Length": 0}),
    ],
)
def test_the_answer_is_the_applications_own(play, body, headers):
    async def steps(found, client):
        status, answered, content = await client.ask(http(body, headers))
        assert found.passed_on == []
        first = counts(found)
        # An origin is for the application, and without CORS changes nothing.
        expected = await client.ask(http(body, {**headers, "Origin": "http://here"}))
        assert found.passed_on == [PATH]
        assert (status, content) == (200, expected[2])
        assert list(answered) == list(expected[1])
        assert answered["x-request-id"] == headers.get("X-Request-Id", answered["x-request-id"])
        for name in answered.keys() - set(TIMES):
            assert answered[name] == expected[1][name]
        second = counts(found)
        assert first.keys() == second.keys()
        changed = {key for key in second if float(second[key]) == 2 * float(first[key]) != 0}
        assert 'scanline_requests_total{code="200",route="/v2/models/{model}/infer"}' in changed
        assert {key for key in second if float(second[key])} == changed

    play(steps)


@pytest.mark.parametrize(
    ("request_bytes", "status"),
    [
        (http(b"{"), 400),
        (http(*as_bytes(17)), 200),  # too many for the event loop's thread
        (http(as_json(outputs=[{"name": "nothing"}])), 400),
        (http(as_json(), path="/v2/models/other/infer"), 404),
        (http(as_json(), path="/v2/models/tiny/versions/0/infer"), 404),
        (http(as_json(), path=f"{PATH}?a=b"), 200),
        (http(as_json(), version="1.0"), 200),
        (http(as_json(), {"Connection": "close"}), 200),
        (http(as_json(), {"Content-Encoding": "gzip"}), 400),
        (http(as_json(), {"Accept-Encoding": "gzip"}), 200),
        (http(as_json(), {"Inference-Header-Content-Length": "+1"}), 400),
        (http(as_json() + b" " * 20_000), 200),
        (http(as_json(), {f"X-{number}": "a" for number in range(40)}), 200),
        (http(as_json()).replace(b"POST", b"PUT"), 405),
    ],
)
def test_everything_else_is_the_applications(play, request_bytes, status):
    async def steps(found, client):
        assert (await client.ask(http(as_json())))[0] == 200
        assert found.passed_on == []
        assert (await client.ask(request_bytes))[0] == status
        assert len(found.passed_on) == 1
        assert found.config.gate.in_flight == 0

    play(steps)


def test_a_request_comes_in_any_pieces(play):
    async def steps(found, client):
        request = http(as_json(id="pieces"))
        for start in range(0, len(request), 700):
            client.send(request[start : start + 700])
            await asyncio.sleep(0.005)
        status, _, body = await client.answer()
        assert (status, json.loads(body)["id"]) == (200, "pieces")
        assert found.passed_on == []

    play(steps)


def test_requests_sent_one_behind_the_other_are_answered_in_their_order(play):
    async def steps(_, client):
        client.send(b"".join(http(as_json(id=str(number))) for number in range(5)))
        assert [json.loads((await client.answer())[2])["id"] for _ in range(5)] == list("01234")

    play(steps)


def test_the_next_head_may_begin_before_the_answer(play):
    async def steps(found, client):
        request = http(as_json(id="next"))
        for cut in (5, 45, 60):
            client.send(request + request[:cut])
            assert (await client.answer())[0] == 200
            client.send(request[cut:])
            status, _, body = await client.answer()
            assert (status, json.loads(body)["id"]) == (200, "next")
        assert found.passed_on == []

    play(steps)


def test_those_that_arrive_together_are_one_batch(play):
    async def steps(found, client):
        clients = [client, *[await found.connect() for _ in range(9)]]
        for number, one in enumerate(clients):
            one.send(http(as_json(id=str(number))))
        for number, one in enumerate(clients):
            assert json.loads((await one.answer())[2])["id"] == str(number)
        assert float(counts(found)['scanline_executions_total{model="tiny"}']) < 10
        assert float(counts(found)['scanline_images_total{model="tiny"}']) == 10

    play(steps)


def test_a_key_is_asked_for_as_elsewhere(play):
    async def steps(found, client):
        for headers in ({"X-API-Key": "right"}, {"Authorization": "Bearer right"}):
            assert (await client.ask(http(as_json(), headers)))[0] == 200
        assert found.passed_on == []
        for headers in ({}, {"X-API-Key": "wrong"}, {"Authorization": "Bearer "}):
            assert (await (await found.connect()).ask(http(as_json(), headers)))[0] == 401
        assert len(found.passed_on) == 3

    play(steps, api_key=("right",))


def test_whose_address_is_logged_is_decided_by_the_application(play, caplog):
    caplog.set_level(logging.INFO, "scanline.access")

    async def steps(found, client):
        assert (await client.ask(http(as_json(), {"X-Forwarded-For": "1.2.3.4"})))[0] == 200
        assert found.passed_on == [PATH]

    play(steps)


def test_where_requests_are_logged_each_is_one_line_as_by_the_application(play, caplog):
    caplog.set_level(logging.INFO, "scanline.access")

    async def steps(found, client):
        for more in ({}, {"Origin": "http://here"}):
            assert (await client.ask(http(as_json(), more)))[0] == 200
        assert found.passed_on == [PATH]

    play(steps)
    first, second = (vars(record) for record in caplog.records if record.name == "scanline.access")
    assert first.keys() == second.keys()
    for name in ("method", "route", "path", "status", "bytes", "client", "model"):
        assert first[name] == second[name]


def test_a_lower_limit_of_bodies_holds(play):
    async def steps(found, client):
        assert (await client.ask(http(as_json())))[0] == 413
        assert found.passed_on == [PATH]

    play(steps, max_body_bytes=1000)
