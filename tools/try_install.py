"""Try an installed anymask on real photographs: `python try_install.py VERSION`.

Run it with the interpreter of the environment in which anymask is installed, from a folder outside
the repository.
"""

from __future__ import annotations

import subprocess
import sys
import tempfile
from pathlib import Path

import numpy as np
import skimage
import tifffile

import anymask


def main() -> None:
    version = sys.argv[1]
    home = Path(anymask.__file__).resolve()
    assert anymask.__version__ == version, f"installed is {anymask.__version__}, not {version}"
    assert Path(sys.prefix).resolve() in home.parents, f"anymask comes from {home}"

    photographs = Path(skimage.__file__).parent / "data"
    image = anymask.read_rgb(photographs / "coffee.png")
    predictor = anymask.SamPredictor(anymask.load())
    predictor.set_image(image)
    masks, predicted_iou, _ = predictor.predict(
        point_coords=np.array([[250, 187]]), point_labels=np.array([1])
    )
    best = masks[predicted_iou.argmax()]
    assert best[187, 250], "the mask of a click does not contain the click"
    assert 0.005 < best.mean() < 0.5, f"the mask of a click covers {best.mean():.1%} of the image"

    with tempfile.TemporaryDirectory() as out:
        command = [sys.executable, "-m", "anymask", "everything", str(photographs / "coins.png")]
        subprocess.run([*command, "--out", out], check=True)
        count = tifffile.imread(Path(out) / "coins.labels.tif").max()
    assert count >= 15, f"{count} of 24 coins found"
    print(f"anymask {version} works on Python {sys.version.split()[0]}: {count} objects in coins.")


if __name__ == "__main__":
    main()
