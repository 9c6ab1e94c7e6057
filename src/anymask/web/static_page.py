"""A page without a server: a folder of files that any web server can hand out.

It has the page of `anymask serve`, a backend that runs in the page instead of a server, the model
as ONNX, and ONNX Runtime's build for browsers, which this package brings as an archive.
"""

from __future__ import annotations

import json
import os
import shutil
import tarfile
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from anymask.checkpoints.exported import (
    DECODER,
    ENCODER,
    FACTS,
    exported_folder,
    read_facts,
    shipped_export,
)
from anymask.errors import AnymaskError, CheckpointError
from anymask.files import check_free, whole_folder
from anymask.model.config import SamConfig

_HERE = Path(__file__).parent
_RUNTIME = _HERE / "onnxruntime.tar.xz"
_TITLE = "<title>anymask</title>"
_ENTRY = '<script type="module" src="page/served.js"></script>'
_BODY = "<body>\n"
# What only the served page has.
_SERVED = ("index.html", "served.js", "http.js", "live.js", "lease.js")
# ONNX Runtime compiles WebAssembly; downloads are blobs. Nothing else may be loaded or asked.
_POLICY = (
    "default-src 'self'; script-src 'self' 'wasm-unsafe-eval'; img-src 'self' blob:; "
    "connect-src 'self'; worker-src 'self'; base-uri 'none'; object-src 'none'; form-action 'none'"
)
_HEAD = f"""<meta http-equiv="Content-Security-Policy" content="{_POLICY}">
<meta name="referrer" content="no-referrer">
<meta name="description" content="Click on objects in a picture and export their masks; nothing \
leaves your computer.">
{_TITLE}"""
_SCRIPTS = """<link rel="stylesheet" href="alone/alone.css">
<script src="alone/as_file.js"></script>
<script type="module" src="alone/start.js"></script>"""
_NOTES = """<body>
<div id="as-file"><p>Browsers do not let a page that is opened as a file load its parts; in this \
folder, run <code>python -m http.server</code> and open <code>http://127.0.0.1:8000</code>.</p></div>
<noscript>This page needs JavaScript; allow it, then load the page again.</noscript>
"""


@dataclass(frozen=True)
class StaticPage:
    """What `write_page` wrote.

    Attributes
    ----------
    folder : Path
    model : dict of str to int
        Bytes of the model's files.
    other : int
        Bytes of all other files.
    parity : dict of str to float, or None
        How far the masks are from those of torch, as `Parity.to_dict` says it; None if the export
        does not say.
    """

    folder: Path
    model: dict[str, int]
    other: int
    parity: dict[str, float] | None


def write_page(
    folder: str | os.PathLike[str],
    *,
    model: str | None = None,
    weights: str = "int8",
    overwrite: bool = False,
) -> StaticPage:
    """Write the page.

    Parameters
    ----------
    folder : path
        To be written, whole or not at all.
    model : str, optional
        As for `anymask.load`; the shipped model by default. The folder of an exported model is
        taken as it is and needs neither torch nor onnx.
    weights : {"int8", "float16", "float32"}
        What weights are stored in.
    overwrite : bool
        Replace a page that is there.

    Returns
    -------
    StaticPage

    Raises
    ------
    AnymaskError
        If a package is missing for the export, or the model is too large for a page.
    CheckpointError
        If the model cannot be loaded.
    OutputError
        If the folder exists and is not to be replaced, or cannot be written.
    """
    target = Path(folder)
    check_free(target, overwrite)
    if target.is_dir() and any(target.iterdir()) and not (target / "alone").is_dir():
        raise AnymaskError(
            f"{target} is no page of anymask, so it is not replaced; choose another folder."
        )
    with whole_folder(target) as part:
        _write_model(model, part / "model", weights)
        facts = _facts_for_page(part / "model")
        for name in ("page", "alone"):
            shutil.copytree(_HERE / name, part / name, ignore=shutil.ignore_patterns(*_SERVED))
        (part / "index.html").write_text(_index(), encoding="utf-8")
        with tarfile.open(_RUNTIME) as archive:
            archive.extractall(part / "onnxruntime", filter="data")
        (part / "sample").mkdir()
        shutil.copy(_photograph("coins.png"), part / "sample")
        sizes = {path: path.stat().st_size for path in part.rglob("*") if path.is_file()}
    of_model = {path.name: n for path, n in sorted(sizes.items()) if path.parent.name == "model"}
    other = sum(sizes.values()) - sum(of_model.values())
    return StaticPage(target, of_model, other, facts.get("parity_with_torch"))


def _write_model(model: str | None, folder: Path, weights: str) -> None:
    """Copy an exported model, or export one."""
    ready = shipped_export() if model is None else exported_folder(model)
    if ready is not None:
        _copy(ready, folder)
        return
    try:
        from anymask.onnx_export.export import export_onnx
    except ImportError as error:
        raise AnymaskError(
            "The model is exported with torch and onnx; install them with "
            'pip install "anymask[onnx]", or give the folder of an exported model.'
        ) from error
    from anymask.io.read_images import read_rgb

    export_onnx(
        "small" if model is None else model,
        folder,
        weights=weights,  # type: ignore[arg-type]
        image=read_rgb(_photograph("coffee.png")),
    )


def _copy(exported: Path, folder: Path) -> None:
    if read_facts(exported).get("contract") != "anymask":
        raise CheckpointError(
            f"{exported} was exported with Meta's inputs and outputs, for other programs; export "
            "the model without --meta to put it into a page."
        )
    folder.mkdir()
    for name in (ENCODER, DECODER, FACTS):
        if not (exported / name).is_file():
            raise CheckpointError(f"{exported} has no {name}; export the model again.")
        shutil.copy(exported / name, folder)


def _facts_for_page(folder: Path) -> dict[str, Any]:
    """Add to the model's facts what the page would have to compute, and return them."""
    if list(folder.glob("*.data")):
        raise AnymaskError("This model is too large for a browser; choose a smaller one.")
    facts = read_facts(folder)
    config = SamConfig.from_dict(facts["config"])
    if config.stretches:
        raise AnymaskError(
            f"{config.name} is a SAM 2, which the page cannot run; choose a model of the first "
            "SAM, such as small."
        )
    facts["low_res_size"] = config.low_res_size
    (folder / FACTS).write_text(json.dumps(facts, indent=2) + "\n", encoding="utf-8")
    return facts


def _index() -> str:
    """The page's HTML with its own backend instead of the server's."""
    text = (_HERE / "page" / "index.html").read_text(encoding="utf-8")
    for old, new in ((_TITLE, _HEAD), (_ENTRY, _SCRIPTS), (_BODY, _NOTES)):
        if text.count(old) != 1:
            raise AssertionError(f"index.html has {old!r} {text.count(old)} times.")
        text = text.replace(old, new)
    return text


def _photograph(name: str) -> Path:
    """A photograph that comes with scikit-image, without restrictions."""
    import skimage

    return Path(skimage.__file__).parent / "data" / name
