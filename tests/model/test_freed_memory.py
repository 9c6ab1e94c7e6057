"""The memory of one pass serves the next."""

from __future__ import annotations

import platform
import subprocess
import sys

import pytest

PAGES_TAKEN = """
import resource, sys, torch, anymask
from anymask.checkpoints import building
if "careless" in sys.argv:
    building.keep_freed_memory = lambda: None
torch.set_num_threads(1)
sam = anymask.load(device="cpu")
size = sam.config.image_size
points, labels = torch.rand(32, 1, 2) * size, torch.ones(32, 1, dtype=torch.long)
with torch.inference_mode():
    image = sam.encode_image(sam.preprocess(torch.zeros(3, size, size))[None])
    for _ in range(2):
        sam.decode(image, point_coords=points, point_labels=labels)
    taken = []
    for _ in range(3):
        before = resource.getrusage(resource.RUSAGE_SELF).ru_minflt
        sam.decode(image, point_coords=points, point_labels=labels)
        taken.append(resource.getrusage(resource.RUSAGE_SELF).ru_minflt - before)
    print(sorted(taken)[1])
"""

LIMITS_SET = """
import ctypes
from types import SimpleNamespace
from anymask.model import freed_memory
asked = []
library = SimpleNamespace(mallopt=lambda parameter, limit: asked.append((parameter, limit >> 20)))
freed_memory.ctypes = SimpleNamespace(CDLL=lambda name: library)
freed_memory.keep_freed_memory()
print(*asked)
"""


def _printed(program: str, *arguments: str, **environment: str) -> str:
    done = subprocess.run(
        [sys.executable, "-c", program, *arguments],
        capture_output=True,
        text=True,
        check=True,
        env=environment or None,
    )
    return done.stdout.strip()


@pytest.mark.skipif(
    platform.libc_ver()[0] != "glibc", reason="other C libraries keep memory as they like"
)
def test_decoding_takes_few_pages_anew():
    assert 10 * int(_printed(PAGES_TAKEN)) < int(_printed(PAGES_TAKEN, "careless"))


@pytest.mark.skipif(sys.platform != "linux", reason="other systems are not asked")
@pytest.mark.parametrize(
    ("environment", "set_limits"),
    [
        ({}, "(-1, 256) (-3, 32)"),
        ({"MALLOC_TRIM_THRESHOLD_": "65536"}, "(-1, 256) (-3, 32)"),  # as Dask has it
        ({"MALLOC_TRIM_THRESHOLD_": str(1 << 32)}, "(-3, 32)"),
    ],
)
def test_larger_limits_of_the_environment_stay(environment, set_limits):
    assert _printed(LIMITS_SET, PATH="", **environment) == set_limits
