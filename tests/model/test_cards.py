"""Where the card of a network lies, and cards that cannot be used."""

import pytest

from model import cards


def test_the_networks_own_card_goes_before_the_folders(tmp_path):
    network = tmp_path / "a.b.onnx"
    assert cards.card_path(network) == tmp_path / "card.json"
    cards.write(tmp_path / "card.json", {"name": "the folder's"})
    cards.write(tmp_path / "a.card.json", {"name": "another's"})
    assert cards.read(cards.card_path(network)) == {"name": "the folder's"}
    cards.write(cards.own_path(network), {"name": "its own"})
    for suffix in (".onnx", ".keras", ".npz"):
        path = cards.card_path(network.with_suffix(suffix))
        assert path == tmp_path / "a.b.card.json"
        assert cards.read(path) == {"name": "its own"}


def test_no_card_is_an_empty_one(tmp_path):
    assert cards.read(tmp_path / "card.json") == {}


@pytest.mark.parametrize("content", [b"", b"{", b"[]", b"\xff{}", b'{"sha256": 3}'])
def test_a_damaged_card_is_named(tmp_path, content):
    path = tmp_path / "card.json"
    path.write_bytes(content)
    with pytest.raises(ValueError, match=r"card\.json"):
        cards.read(path)
