"""Scanned digits of 8 x 8 values, as UCI and scikit-learn have them."""

import gzip

import numpy as np
import pytest

from tests.support.sources import save_scanned
from training.errors import TrainingError
from training.sources import optdigits


def test_both_files_are_read_alike(tmp_path):
    path = save_scanned(tmp_path)
    assert optdigits.find(tmp_path) == path
    digits = optdigits.load(path)
    np.testing.assert_array_equal(digits.labels, range(6))
    assert digits.images.shape == (6, 8, 8)
    assert set(np.unique(digits.images)) == {0, 255}
    assert not digits.images[2, :2].any()
    assert digits.images[2, 2:, 3:5].all()
    packed = tmp_path / "digits.csv.gz"
    packed.write_bytes(gzip.compress(path.read_bytes()))
    path.unlink()
    again = optdigits.load(optdigits.find(tmp_path))
    np.testing.assert_array_equal(again.images, digits.images)


@pytest.mark.parametrize("content", ["1,2,3\n", "a\n", ",".join(["17"] * 65)])
def test_what_is_no_such_table_is_told(content, tmp_path):
    path = tmp_path / "optdigits.tes"
    path.write_text(content)
    with pytest.raises(TrainingError, match=r"optdigits\.tes"):
        optdigits.load(path)
