"""gRPC's limits: who says nothing, sends too much or takes no answer locks nobody else out, and
who has no key has nothing loaded."""

import asyncio
import re
import threading
from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import Any

import grpc
import numpy as np
import pytest
from starlette.datastructures import State

from model import signature
from serving.app import create_app
from serving.inference import grpc_codec as messages
from serving.inference import grpc_server as rpc
from serving.inference import rpc_waiting
from serving.inference import triton_extensions as repository
from serving.inference.models import Models
from serving.settings import Settings
from tests.conftest import save_tiny_model
from tests.support.running import free_port, live_server

Code = grpc.StatusCode
MB = 2**20
# A client takes 64 kB of an answer before it is read, and not ever more.
SMALL_WINDOW = [("grpc.http2.bdp_probe", 0)]


def path(method: str) -> str:
    return f"/{messages.SERVICE}/{method}"


def infer_request(images: int = 1) -> bytes:
    shape = (images, signature.STEPS, signature.PIXELS)
    tensor = {"name": signature.IMAGES, "datatype": "UINT8", "shape": shape}
    pixels = np.zeros(shape, np.uint8).tobytes()
    request = {"model_name": "tiny", "inputs": [tensor], "raw_input_contents": [pixels]}
    return messages.request_class("ModelInfer")(**request).SerializeToString()


READY = messages.request_class("ModelReady")(name="tiny").SerializeToString()


def talk(
    model: Path, work: Callable[[grpc.aio.Channel, State], Awaitable[None]], **settings: Any
) -> None:
    """Run `work` with a channel to a server in this process, and that server's state."""
    settings = Settings(grpc_port=free_port(), **settings)
    app = create_app(Models([model]), settings)
    address = f"127.0.0.1:{settings.grpc_port}"

    async def run() -> None:
        server = await rpc.start_rpc(app.state, settings)
        try:
            async with grpc.aio.insecure_channel(address, SMALL_WINDOW) as channel:
                async with asyncio.timeout(30):
                    await work(channel, app.state)
        finally:
            await server.stop(None)

    asyncio.run(run())


async def opened(count: int, call: Callable[[], grpc.aio.Call]) -> list[grpc.aio.Call]:
    """So many calls that send nothing, once the server knows them."""
    calls = [call() for _ in range(count)]
    await asyncio.gather(*(each.wait_for_connection() for each in calls))
    await asyncio.sleep(0.3)
    return calls


async def codes_of_ended(calls: list[grpc.aio.Call]) -> list[Code]:
    """Once one has ended."""
    while not any(call.done() for call in calls):
        await asyncio.sleep(0.01)
    return [await call.code() for call in calls if call.done()]


@pytest.mark.parametrize("method", ["ServerLive", "ServerReady", "ModelReady"])
def test_probes_need_little_memory(tiny_model, method):
    def peak() -> int:
        status = Path(f"/proc/{server.process.pid}/status").read_text()
        return 1024 * int(re.search(r"VmHWM:\s+(\d+) kB", status)[1])

    with live_server("--model", str(tiny_model), SCANLINE_API_KEY="one") as server:
        options = [("grpc.use_local_subchannel_pool", 1), ("grpc.max_send_message_length", -1)]
        channels = [grpc.insecure_channel(server.grpc, options) for _ in range(10)]
        channels[0].unary_unary(path("ServerLive"))(b"", timeout=30)
        before = peak()
        # One unknown field of 7 MB.
        large = b"\x7a\x80\x80\xc0\x03" + bytes(7 * MB)
        calls = [
            channel.unary_unary(path(method)).future(large, timeout=30)
            for channel in channels
            for _ in range(6)
        ]
        codes = {call.code() for call in calls}
        assert codes <= {Code.OK, Code.RESOURCE_EXHAUSTED, Code.UNAVAILABLE}
        assert peak() - before < 150 * MB  # all together have 420 MB
        assert channels[1].unary_unary(path("ModelReady"))(READY, timeout=30)
        for channel in channels:
            channel.close()


def test_silent_probes_lock_no_other_out(tiny_model, monkeypatch):
    async def work(channel: grpc.aio.Channel, _) -> None:
        monkeypatch.setattr(rpc_waiting, "PATIENCE_SECONDS", 30)
        silent = await opened(rpc._MOST_PROBES, channel.stream_unary(path("ModelReady")))
        ready = channel.unary_unary(path("ModelReady"))
        assert await ready(READY).code() is Code.UNAVAILABLE  # unread
        assert await channel.unary_unary(path("ModelInfer"))(infer_request())
        monkeypatch.setattr(rpc_waiting, "PATIENCE_SECONDS", 0.1)
        assert await ready(READY).code() is Code.OK
        assert await codes_of_ended(silent) == [Code.DEADLINE_EXCEEDED]

    talk(tiny_model, work)


def test_silent_calls_lock_no_other_out(tiny_model, monkeypatch):
    async def work(channel: grpc.aio.Channel, _) -> None:
        monkeypatch.setattr(rpc_waiting, "PATIENCE_SECONDS", 0.1)
        silent = await opened(2, channel.stream_unary(path("ModelInfer")))
        assert await channel.unary_unary(path("ModelInfer"))(infer_request())
        assert await codes_of_ended(silent) == [Code.DEADLINE_EXCEEDED]

    talk(tiny_model, work, max_concurrency=2)


def test_silent_streams_lock_no_other_out(tiny_model, monkeypatch):
    async def work(channel: grpc.aio.Channel, _) -> None:
        open_stream = channel.stream_stream(path("ModelStreamInfer"))
        silent = await opened(rpc._STREAMS, open_stream)
        assert await channel.unary_unary(path("ServerMetadata"))(b"")
        assert await channel.unary_unary(path("ModelInfer"))(infer_request())
        monkeypatch.setattr(rpc_waiting, "PATIENCE_SECONDS", 0.1)
        await silent[0].write(infer_request())  # so others have been silent for longer
        assert await silent[0].read()
        (late,) = await opened(1, open_stream)
        await late.write(infer_request())
        assert await late.read()
        assert await codes_of_ended(silent) == [Code.DEADLINE_EXCEEDED]
        assert not silent[0].done()

    talk(tiny_model, work, max_concurrency=1)


def test_a_stream_that_is_silent_for_long_ends(tiny_model, monkeypatch):
    monkeypatch.setattr(rpc, "_STREAM_SECONDS", 1)

    async def work(channel: grpc.aio.Channel, _) -> None:
        stream = channel.stream_stream(path("ModelStreamInfer"))()
        for _ in range(3):
            await asyncio.sleep(0.5)
            await stream.write(infer_request())
            assert await stream.read()
        assert await stream.code() is Code.DEADLINE_EXCEEDED

    talk(tiny_model, work)


def test_answers_that_nobody_takes_are_limited(tiny_model):
    async def work(channel: grpc.aio.Channel, _) -> None:
        large = infer_request(images=250)
        untaken = channel.unary_stream(path("ModelInfer"))  # nobody calls its `read`
        infer = channel.unary_unary(path("ModelInfer"))
        calls = []
        while await infer(large).code() is Code.OK:
            calls.append(untaken(large))
            await asyncio.sleep(0.2)
            assert len(calls) < 10
        assert await infer(large).code() is Code.UNAVAILABLE
        assert await infer(infer_request()).code() is Code.OK
        for call in calls:
            call.cancel()
        await asyncio.sleep(0.2)
        assert await infer(large).code() is Code.OK

    talk(tiny_model, work, max_heavy=1, max_body_bytes=MB // 2)


def test_no_message_is_larger_than_an_inference_can_be(tiny_model):
    async def work(channel: grpc.aio.Channel, _) -> None:
        infer = channel.unary_unary(path("ModelInfer"))
        assert await infer(infer_request() + bytes(MB)).code() is Code.RESOURCE_EXHAUSTED
        request = messages.request_class("ModelInfer").FromString(infer_request(256))
        request.inputs[0].datatype = "FP32"
        request.raw_input_contents[0] *= 4
        assert await infer(request.SerializeToString()).code() is Code.OK

    talk(tiny_model, work)


def test_readiness_loads_no_network_without_a_key(tmp_path):
    for name in ("first", "late"):  # of a folder's, only the first is loaded at the start
        save_tiny_model(tmp_path / f"{name}.onnx")

    async def work(channel: grpc.aio.Channel, state: State) -> None:
        async def is_ready(name: str, *metadata: tuple[str, str]) -> bool:
            request = messages.request_class("ModelReady")(name=name).SerializeToString()
            answer = await channel.unary_unary(path("ModelReady"))(request, metadata=metadata)
            return messages.response_class("ModelReady").FromString(answer).ready

        assert await is_ready("first")
        for wrong in ((), (("x-api-key", "two"),), (("authorization", "Bearer two"),)):
            assert not await is_ready("late", *wrong)
            assert not await is_ready("none", *wrong)
        assert [network.name for network in state.models.loaded] == ["first"]
        assert await is_ready("late", ("authorization", "Bearer one"))
        assert await is_ready("late")

    talk(tmp_path, work, api_key=("one",))


def test_the_index_loads_networks_beside_the_event_loop(tiny_model, monkeypatch):
    threads = []

    def index(*_):
        threads.append(threading.current_thread())
        return []

    monkeypatch.setattr(repository, "index", index)

    async def work(channel: grpc.aio.Channel, state: State) -> None:
        call = channel.unary_unary(path("RepositoryIndex"))
        assert await call(b"") == b""
        assert threads != [threading.current_thread()]
        assert state.gate.enter()
        assert await call(b"").code() is Code.UNAVAILABLE
        state.gate.leave()

    talk(tiny_model, work, max_concurrency=1)
