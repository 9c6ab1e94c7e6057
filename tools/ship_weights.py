"""Put trained weights into the package, with the configuration now in the code, and their hash.

Usage: python tools/ship_weights.py RUN/weights.safetensors
"""

from __future__ import annotations

import hashlib
import json
import re
import sys
from pathlib import Path

from safetensors import safe_open
from safetensors.torch import save_file

from anymask.model.config import VARIANTS

PACKAGE = Path(__file__).parent.parent / "src" / "anymask" / "checkpoints"
LIMIT = 24_000_000  # bytes, so that the package stays small


def main(source: Path) -> None:
    """Write `source` over the shipped weights and their SHA-256 into the registry."""
    with safe_open(source, "pt") as file:
        state = {key: file.get_tensor(key) for key in file.keys()}  # noqa: SIM118
        metadata = dict(file.metadata())
    metadata["anymask_config"] = json.dumps(VARIANTS["small"].to_dict())
    target = PACKAGE / "weights" / "small.safetensors"
    target.parent.mkdir(exist_ok=True)
    save_file(state, target, metadata)
    target.chmod(0o644)
    size = target.stat().st_size
    if size > LIMIT:
        target.unlink()
        sys.exit(f"{source} would take {size} bytes; the package has room for {LIMIT}.")
    digest = hashlib.sha256(target.read_bytes()).hexdigest()
    registry = PACKAGE / "registry.py"
    text, changed = re.subn(
        r"^SMALL_SHA256.*$",
        f'SMALL_SHA256 = "{digest}"',
        registry.read_text(),
        count=1,
        flags=re.MULTILINE,
    )
    if changed != 1:
        sys.exit(f"{registry} has no line SMALL_SHA256 to change.")
    registry.write_text(text)


if __name__ == "__main__":
    if len(sys.argv) != 2:
        sys.exit(__doc__)
    main(Path(sys.argv[1]))
