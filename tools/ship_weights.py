"""Put trained weights into the package, with the current configuration and a new version.

The registry gets their hash. If training started from the weights of earlier runs, their views and
hours are added to those of the run, for the model card.

Usage: python tools/ship_weights.py RUN/weights.safetensors [EARLIER_VIEWS EARLIER_HOURS]
"""

from __future__ import annotations

import hashlib
import json
import re
import sys
from pathlib import Path

from safetensors import safe_open
from safetensors.torch import save

from anymask.checkpoints.registry import SMALL_VERSION
from anymask.model.config import VARIANTS

PACKAGE = Path(__file__).parent.parent / "src" / "anymask" / "checkpoints"
LIMIT = 24_000_000  # bytes, to keep the package small


def main(source: Path, earlier_views: int = 0, earlier_hours: float = 0.0) -> None:
    """Replace the shipped weights with `source`, and update version and SHA-256 in the registry."""
    with safe_open(source, "pt") as file:
        state = {key: file.get_tensor(key) for key in file.keys()}  # noqa: SIM118
        metadata = dict(file.metadata())
    training = json.loads(metadata["training"])
    training["images"] += earlier_views
    training["seconds"] += 3600 * earlier_hours
    metadata["training"] = json.dumps(training)
    metadata["anymask_config"] = json.dumps(VARIANTS["small"].to_dict())
    target = PACKAGE / "weights" / "small.safetensors"
    version = SMALL_VERSION + 1
    metadata["version"] = str(version)
    content = save(state, metadata)
    if len(content) > LIMIT:
        sys.exit(f"{source} would need {len(content)} bytes; at most {LIMIT} are allowed.")
    registry = PACKAGE / "registry.py"
    text = registry.read_text()
    digest = hashlib.sha256(content).hexdigest()
    for name, value in (("SMALL_SHA256", f'"{digest}"'), ("SMALL_VERSION", str(version))):
        text, changed = re.subn(
            rf"^{name} = .*$", f"{name} = {value}", text, count=1, flags=re.MULTILINE
        )
        if changed != 1:
            sys.exit(f"{registry} has no line {name} to change.")
    target.write_bytes(content)
    registry.write_text(text)


if __name__ == "__main__":
    if len(sys.argv) not in (2, 4):
        sys.exit(__doc__)
    earlier = sys.argv[2:]
    main(Path(sys.argv[1]), *map(int, earlier[:1]), *map(float, earlier[1:]))
