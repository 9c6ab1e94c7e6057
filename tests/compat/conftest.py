"""The small reference model as Meta's own class, and as compat's."""

from __future__ import annotations

import copy

import pytest

from anymask.compat import lenient
from anymask.compat.segment_anything.modeling.sam import joined
from benchmarks.side_by_side.peers import metas_sam


@pytest.fixture(scope="session")
def theirs(small_reference_sam):
    """Meta's `Sam`."""
    return metas_sam(small_reference_sam.config, small_reference_sam.state_dict())


@pytest.fixture(scope="session")
def ours(small_reference_sam):
    """The same weights in compat's `Sam`."""
    return joined(copy.deepcopy(small_reference_sam)).eval()


@pytest.fixture(autouse=True)
def _nothing_was_said(monkeypatch):
    monkeypatch.setattr(lenient, "_said", set())
