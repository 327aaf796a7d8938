"""What is freed goes back to the system."""

import subprocess
import sys
from pathlib import Path

import pytest

GROW = """
import ctypes
from pathlib import Path
{settle}
import numpy as np

def resident():
    return int(Path("/proc/self/statm").read_text().split()[1]) * 4096

before = resident()
# Twice, for the first one teaches glibc to keep as much; between the parts something small stays.
for _ in range(2):
    large, small = [], []
    for _ in range(100):
        large.append(np.ones(2**20, np.uint8))
        small.append(bytes(1000))
    del large
print((resident() - before) // 2**20)
"""


@pytest.mark.skipif(not Path("/proc/self/statm").exists(), reason="looks into /proc")
def test_large_arrays_are_given_back():
    settle = "from serving.memory import settle; settle()"
    kept = [
        int(subprocess.check_output([sys.executable, "-c", GROW.format(settle=code)]))
        for code in ("", settle)
    ]
    assert kept[1] < 10
    assert kept[1] < kept[0]
