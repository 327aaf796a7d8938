"""Hostile input in small amounts; ``python -m tests.fuzz`` throws the same at a real server."""

import gc

import numpy as np
import pytest

from tests.fuzz import pictures
from tests.support.calls import client_of


@pytest.fixture(scope="module")
def client(tiny_model):
    with client_of([tiny_model], max_batch=8, max_pixels=1_000_000) as client:
        yield client


def answered(answer) -> None:
    assert answer.status_code in (200, 400, 413, 415), answer.text
    assert ("error" in answer.json()) == (answer.status_code != 200)


# Starlette leaves the file of a part that never ends, which is in memory, to the collector.
@pytest.mark.filterwarnings("ignore:Unclosed file:ResourceWarning")
@pytest.mark.parametrize("seed", range(3))
def test_broken_pictures_and_forms_get_an_answer_or_a_clear_error(client, seed):
    rng = np.random.default_rng(seed)
    for _ in range(100):
        answered(client.post("/classify", content=pictures.broken(rng)))
        body, headers = pictures.form(rng)
        answered(client.post("/classify", content=body, headers=headers))
    gc.collect()


def test_small_files_that_unpack_huge_are_refused_before_they_do(client):
    codes = [client.post("/classify", content=bomb).status_code for bomb in pictures.bombs()]
    assert codes[0] == 413
    assert set(codes) <= {400, 413, 415}
