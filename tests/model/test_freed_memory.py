"""The memory of one pass serves the next."""

from __future__ import annotations

import platform
import subprocess
import sys

import pytest

PAGES_TAKEN = """
import resource, torch, anymask
torch.set_num_threads(1)
sam = anymask.load(device="cpu")
size = sam.config.image_size
points, labels = torch.rand(8, 1, 2) * size, torch.ones(8, 1, dtype=torch.long)
with torch.inference_mode():
    image = sam.encode_image(sam.preprocess(torch.zeros(3, size, size))[None])
    for _ in range(2):
        sam.decode(image, point_coords=points, point_labels=labels)
    taken = []
    for _ in range(9):
        before = resource.getrusage(resource.RUSAGE_SELF).ru_minflt
        sam.decode(image, point_coords=points, point_labels=labels)
        taken.append(resource.getrusage(resource.RUSAGE_SELF).ru_minflt - before)
    print(sorted(taken)[4])
"""


@pytest.mark.skipif(
    platform.libc_ver()[0] != "glibc",
    reason="what is asked of glibc is asked of no other C library, which keeps memory as it likes",
)
def test_a_pass_of_the_decoder_takes_hardly_any_memory_anew():
    done = subprocess.run(
        [sys.executable, "-c", PAGES_TAKEN], capture_output=True, text=True, check=True
    )
    # Some 40 MB pass through it; without care each takes 3,000 pages or more of 4 kB. With it one
    # in a dozen does, where blocks happen to lie badly, so the median is looked at.
    assert int(done.stdout) < 500
