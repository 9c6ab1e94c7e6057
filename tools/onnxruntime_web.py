"""Take ONNX Runtime's build for browsers into the package, for `anymask page`.

    python tools/onnxruntime_web.py 1.30.0

Needs npm, and onnxruntime for its licence and notices. Of the npm package onnxruntime-web three
files are needed: its interface, and WebAssembly with SIMD and threads, which also runs on one
thread. They become `src/anymask/web/onnxruntime.tar.xz`.
"""

from __future__ import annotations

import argparse
import io
import lzma
import subprocess
import tarfile
import tempfile
from pathlib import Path

import onnxruntime

OUT = Path(__file__).resolve().parents[1] / "src" / "anymask" / "web" / "onnxruntime.tar.xz"
FILES = ("ort.wasm.min.mjs", "ort-wasm-simd-threaded.mjs", "ort-wasm-simd-threaded.wasm")
NOTICES = ("LICENSE", "ThirdPartyNotices.txt")


def files_of(version: str) -> dict[str, bytes]:
    """Return the files of a version."""
    with tempfile.TemporaryDirectory() as folder:
        command = ["npm", "pack", f"onnxruntime-web@{version}", "--pack-destination", folder]
        subprocess.run(command, check=True, capture_output=True)
        (packed,) = Path(folder).glob("*.tgz")
        with tarfile.open(packed) as archive:
            found = {}
            for name in FILES:
                member = archive.extractfile(f"package/dist/{name}")
                assert member is not None
                found[name] = member.read()
    for name in NOTICES:
        found[name] = (Path(onnxruntime.__file__).parent / name).read_bytes()
    return found


def packed(files: dict[str, bytes]) -> bytes:
    """Return an archive; the same files give the same bytes."""
    plain = io.BytesIO()
    with tarfile.open(fileobj=plain, mode="w") as archive:
        for name, content in sorted(files.items()):
            facts = tarfile.TarInfo(name)
            facts.size, facts.mode = len(content), 0o644
            archive.addfile(facts, io.BytesIO(content))
    return lzma.compress(plain.getvalue(), preset=9 | lzma.PRESET_EXTREME)


def main() -> None:
    """Write the archive and print its size."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("version")
    OUT.write_bytes(packed(files_of(parser.parse_args().version)))
    print(f"{OUT} has {OUT.stat().st_size / 1e6:.1f} MB.")


if __name__ == "__main__":
    main()
