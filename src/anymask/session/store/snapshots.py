"""Snapshot files of layers: labels, objects and facts about the layer."""

from __future__ import annotations

import io
import json
import zipfile
import zlib
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from anymask.files import whole_file
from anymask.session.errors import SessionError
from anymask.session.records import ObjectInfo


def write_snapshot(
    path: Path, labels: NDArray[Any], objects: Mapping[int, ObjectInfo], meta: Mapping[str, Any]
) -> None:
    """Write a layer; the file appears whole or not at all.

    Raises
    ------
    OutputError
        If it cannot be written.
    """
    notes = json.dumps({"objects": {i: o.to_json() for i, o in objects.items()}, "meta": meta})
    deflate = zipfile.ZIP_DEFLATED
    with whole_file(path) as part, zipfile.ZipFile(part, "w", deflate, compresslevel=1) as file:
        with file.open("labels.npy", "w", force_zip64=True) as member:
            np.lib.format.write_array(member, labels, allow_pickle=False)
        file.writestr("notes.json", notes)


def read_snapshot(
    path: Path,
) -> tuple[NDArray[Any], dict[int, ObjectInfo], dict[str, Any]]:
    """Read the labels, objects and facts that `write_snapshot` wrote.

    Raises
    ------
    SessionError
        If the file is damaged.
    """
    try:
        with zipfile.ZipFile(path) as file:
            with file.open("labels.npy") as member:
                labels = np.lib.format.read_array(member, allow_pickle=False)
            notes = json.load(io.TextIOWrapper(file.open("notes.json"), "utf-8"))
        objects = {int(i): ObjectInfo.from_json(data) for i, data in notes["objects"].items()}
        return labels, objects, dict(notes["meta"])
    except (zipfile.BadZipFile, zlib.error, KeyError, ValueError, TypeError, EOFError) as error:
        raise SessionError(f"{path} is damaged.") from error
