"""What is said of a file that cannot be read."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from anymask.errors import ImageError
from anymask.io.read_images import read


def sentence(path: Path | str, **options: Any) -> str:
    """The one sentence with which a file is refused, at the latest when its values are read."""
    with pytest.raises(ImageError) as error:
        read(path, **options).numpy()
    message = str(error.value)
    assert "\n" not in message
    assert message.endswith(".")
    if isinstance(path, Path):
        assert str(path.parent) in message  # of an ENVI pair, either file may be named
    return message
