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


def write_series(folder: Path, shape: tuple[int, int] = (4, 5)) -> Path:
    """Write three slices of a series, whose names are in another order than their positions.

    Values are twice the position in mm: 0, 5 and 10.
    """
    folder.mkdir()
    for name, position in (("IM0", 5.0), ("IM1", 0.0), ("IM2", 2.5)):
        write(
            folder / name,
            np.full(shape, int(position * 2), np.uint16),
            SeriesInstanceUID="1.2.3",
            PixelSpacing=[0.7, 0.7],
            ImagePositionPatient=[0, 0, position],
            ImageOrientationPatient=[1, 0, 0, 0, 1, 0],
        )
    return folder
