"""A request that the server's end cuts is told so, in JSON and without a traceback."""

import asyncio
import json
import logging

import pytest

from serving.ending import Ending
from serving.gate import Gate


def cut(gate, has_begun=False):
    """Cancel a request, as uvicorn does; gives what was sent, and whether it was cancelled."""
    sent = []

    async def send(event):
        sent.append(event)

    async def slow(_scope, _receive, send):
        if has_begun:
            await send({"type": "http.response.start", "status": 200, "headers": []})
        await asyncio.sleep(60)

    async def run():
        task = asyncio.create_task(Ending(slow, gate)({"type": "http"}, None, send))
        await asyncio.sleep(0)
        task.cancel()
        await asyncio.wait([task])
        return sent, task.cancelled()

    return asyncio.run(run())


def test_it_is_told_503_as_json_and_when_to_come_again(caplog):
    caplog.set_level(logging.WARNING)
    [start, body], is_cancelled = cut(Gate(1, 1, 1, ready=False))
    assert not is_cancelled
    assert start["status"] == 503
    assert dict(start["headers"])[b"retry-after"] == b"1"
    assert "ask another" in json.loads(body["body"])["error"]
    [record] = caplog.records
    assert "--drain-seconds" in record.message
    assert record.exc_info is None


@pytest.mark.parametrize(("ready", "has_begun"), [(False, True), (True, False)])
def test_nothing_is_added_to_an_answer_that_has_begun_or_by_another_cancelling(ready, has_begun):
    sent, is_cancelled = cut(Gate(1, 1, 1, ready=ready), has_begun)
    assert len(sent) == has_begun
    assert is_cancelled == ready
