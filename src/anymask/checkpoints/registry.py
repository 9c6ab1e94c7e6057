"""The checkpoints known by name: where to get them, how to verify and cite them.

This module does not import torch. Sizes and SHA-256 sums are those of Meta's and MobileSAM's
published files; the digits in Meta's file names are the beginning of their MD5 sums. Meta states no
sums for SAM 2.1: those here are what everyone reports who downloaded the files.
"""

from __future__ import annotations

from dataclasses import dataclass

from anymask.errors import CheckpointError

SHIPPED = "small"
"""Name of the model that comes with the package."""

SMALL_SHA256 = "f8f359748bb738f73609cccde1aa7915f364e79751a035c202d8746c8a3d73dd"
"""SHA-256 of weights/small.safetensors."""

SMALL_VERSION = 9
"""Version of those weights, increased when they are replaced."""

_SAM_CITATION = (
    "Kirillov et al., Segment Anything, ICCV 2023, https://arxiv.org/abs/2304.02643; "
    "trained on SA-1B"
)
_META = "https://dl.fbaipublicfiles.com/segment_anything/"
_SAM2_CITATION = (
    "Ravi et al., SAM 2: Segment Anything in Images and Videos, 2024, "
    "https://arxiv.org/abs/2408.00714; trained on SA-1B and SA-V"
)
_META_SAM2 = "https://dl.fbaipublicfiles.com/segment_anything_2/092824/"


@dataclass(frozen=True)
class CheckpointEntry:
    """A checkpoint that `load` finds by name.

    Attributes
    ----------
    name : str
        The name for `load`.
    file_name : str
        Name of the file, in the cache folder and on mirrors.
    url : str or None
        The address to download it from; None for the shipped model.
    sha256 : str or None
        Its SHA-256 in lower-case hex, or the beginning of it; None if unknown.
    size : int or None
        Size in bytes; None if unknown.
    licence : str
        SPDX identifier of the weights' licence.
    citation : str
        The publication to cite.
    config : str
        Its geometry, a key of `anymask.model.config.VARIANTS`.
    """

    name: str
    file_name: str
    url: str | None
    sha256: str | None
    size: int | None
    licence: str
    citation: str
    config: str


def _meta(name: str, file_name: str, sha256: str, size: int) -> CheckpointEntry:
    return CheckpointEntry(
        name, file_name, _META + file_name, sha256, size, "Apache-2.0", _SAM_CITATION, name
    )


def _meta_sam2(size_name: str, sha256: str, size: int) -> CheckpointEntry:
    name = f"sam2.1_hiera_{size_name}"
    url = f"{_META_SAM2}{name}.pt"
    return CheckpointEntry(
        name, f"{name}.pt", url, sha256, size, "Apache-2.0", _SAM2_CITATION, name
    )


CHECKPOINTS: dict[str, CheckpointEntry] = {
    entry.name: entry
    for entry in (
        CheckpointEntry(
            name=SHIPPED,
            file_name="small.safetensors",
            url=None,
            sha256=SMALL_SHA256,
            size=None,
            licence="Apache-2.0",
            citation="anymask, see the model card beside the weights",
            config="small",
        ),
        _meta(
            "vit_b",
            "sam_vit_b_01ec64.pth",
            "ec2df62732614e57411cdcf32a23ffdf28910380d03139ee0f4fcbe91eb8c912",
            375_042_383,
        ),
        _meta(
            "vit_l",
            "sam_vit_l_0b3195.pth",
            "3adcc4315b642a4d2101128f611684e8734c41232a17c648ed1693702a49a622",
            1_249_524_607,
        ),
        _meta(
            "vit_h",
            "sam_vit_h_4b8939.pth",
            "a7bf3b02f3ebf1267aba913ff637d9a2d5c33d3173bb679e46d9f338c26f262e",
            2_564_550_879,
        ),
        CheckpointEntry(
            name="vit_t",
            file_name="mobile_sam.pt",
            url="https://github.com/ChaoningZhang/MobileSAM/raw/master/weights/mobile_sam.pt",
            sha256="6dbb90523a35330fedd7f1d3dfc66f995213d81b29a5ca8108dbcdd4e37d6c2f",
            size=40_728_226,
            licence="Apache-2.0",
            citation=(
                "Zhang et al., Faster Segment Anything: Towards Lightweight SAM for Mobile "
                "Applications, 2023, https://arxiv.org/abs/2306.14289"
            ),
            config="vit_t",
        ),
        _meta_sam2(
            "tiny",
            "7402e0d864fa82708a20fbd15bc84245c2f26dff0eb43a4b5b93452deb34be69",
            156_008_466,
        ),
        _meta_sam2(
            "small",
            "6d1aa6f30de5c92224f8172114de081d104bbd23dd9dc5c58996f0cad5dc4d38",
            184_416_285,
        ),
        _meta_sam2(
            "base_plus",
            "a2345aede8715ab1d5d31b4a509fb160c5a4af1970f199d9054ccfb746c004c5",
            323_606_802,
        ),
        _meta_sam2(
            "large",
            "2647878d5dfa5098f2f8649825738a9345572bae2d4350a2468587ece47dd318",
            898_083_611,
        ),
    )
}


class UnknownModelError(CheckpointError, KeyError):
    """An unknown model name; also a `KeyError`, for code written for Meta's registry."""

    def __str__(self) -> str:
        return str(self.args[0])  # KeyError would print the message in quotes


def known_names() -> str:
    """Return the known names, worded for a message.

    >>> known_names()[:32]
    'small, vit_b, vit_l, vit_h, vit_'
    """
    *most, last = CHECKPOINTS
    return f"{', '.join(most)} or {last}"


def find_entry(name: str) -> CheckpointEntry:
    """Return the entry with this name.

    Raises
    ------
    UnknownModelError
        If there is no such entry.

    Examples
    --------
    >>> find_entry("vit_b").file_name
    'sam_vit_b_01ec64.pth'
    """
    if name not in CHECKPOINTS:
        raise UnknownModelError(f"There is no model named {name!r}; the names are {known_names()}.")
    return CHECKPOINTS[name]
