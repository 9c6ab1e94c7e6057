"""DICOM files written by pydicom."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
from pydicom import dcmwrite
from pydicom.dataset import Dataset, FileDataset, FileMetaDataset
from pydicom.uid import (
    CTImageStorage,
    ExplicitVRBigEndian,
    ExplicitVRLittleEndian,
    RLELossless,
    generate_uid,
)


def write(
    path: Path, array: np.ndarray, syntax: Any = ExplicitVRLittleEndian, **elements: Any
) -> Dataset:
    meta = FileMetaDataset()
    meta.MediaStorageSOPClassUID = CTImageStorage
    meta.MediaStorageSOPInstanceUID = generate_uid()
    meta.TransferSyntaxUID = syntax
    data = FileDataset(str(path), {}, file_meta=meta, preamble=bytes(128))
    bits = array.dtype.itemsize * 8
    defaults = {
        "PatientName": "Secret^Name",
        "PatientID": "12345",
        "Modality": "CT",
        "Rows": array.shape[-2],
        "Columns": array.shape[-1],
        "SamplesPerPixel": 1,
        "PhotometricInterpretation": "MONOCHROME2",
        "BitsAllocated": bits,
        "BitsStored": bits,
        "PixelRepresentation": int(array.dtype.kind == "i"),
        "SOPClassUID": CTImageStorage,
        "SOPInstanceUID": meta.MediaStorageSOPInstanceUID,
    }
    values = {**defaults, **elements}
    stored = values.pop("stored", array)
    values["HighBit"] = values["BitsStored"] - 1
    for name, value in values.items():
        setattr(data, name, value)
    if syntax == ExplicitVRBigEndian:
        stored = stored.astype(stored.dtype.newbyteorder(">"))
    data.PixelData = stored.tobytes() + b"\0" * (stored.nbytes % 2)
    data["PixelData"].VR = "OW" if bits > 8 else "OB"
    if syntax == RLELossless:
        data.file_meta.TransferSyntaxUID = ExplicitVRLittleEndian
        data.compress(RLELossless, generate_instance_uid=False)
    if syntax == ExplicitVRBigEndian:
        dcmwrite(path, data, implicit_vr=False, little_endian=False, enforce_file_format=True)
    else:
        data.save_as(path, enforce_file_format=True)
    return data
