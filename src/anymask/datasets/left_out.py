"""What is said about the images of a data set that cannot be used, or only in part."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence

from anymask.datasets.scanning import Record
from anymask.datasets.types import LeftOut, Skipped
from anymask.errors import ImageError
from anymask.notices import kind_of

_MOST_NAMED = 5


def refuse_unusable(
    left_out: LeftOut, kept: Sequence[Record], total: int, min_area: int, max_bad: float
) -> None:
    """Raise if too many images are unusable, or no object is left."""
    skipped = left_out.skipped
    if skipped and (len(skipped) == total or len(skipped) > max_bad * total):
        share = "" if len(skipped) == total else f"that is more than {max_bad:.0%}, so "
        raise ImageError(
            f"{len(skipped)} of {total} images cannot be used ({_reasons(skipped)}); {share}fix "
            "or remove them."
        )
    if not any(record.areas for record in kept):
        raise ImageError(
            f"None of the images has an object of {max(1, min_area)} pixels or more in its masks; "
            "check that the masks are not black, or lower the minimum area."
        )


def sentences_about(left_out: LeftOut, total: int) -> list[str]:
    """Return sentences about everything that is left out."""
    sentences = []
    if left_out.skipped:
        count, reasons = len(left_out.skipped), _reasons(left_out.skipped)
        sentences.append(
            f"{count} of {total} images cannot be used and {_are(count)} skipped ({reasons})."
        )
    if left_out.empty:
        count = len(left_out.empty)
        sentences.append(
            f"{count} of {total} images {_are(count)} left out because their masks contain no "
            f"object: {listed(left_out.empty)}."
        )
    return sentences + left_out.unmatched()


def notices_of_images(told: Mapping[str, Sequence[str]]) -> list[str]:
    """Return the notices about images: each kind once, then the names of other images."""
    alike: dict[str, list[tuple[str, str]]] = {}
    for name, notices in told.items():
        for notice in notices:
            alike.setdefault(kind_of(notice), []).append((name, notice))
    merged = []
    for (_, first), *others in alike.values():
        names = list(dict.fromkeys(name for name, _ in others))
        also = f" Likewise {listed(names)}." if others else ""
        merged.append(f"{first}{also}")
    return merged


def _are(count: int) -> str:
    return "is" if count == 1 else "are"


def _reasons(skipped: Sequence[Skipped]) -> str:
    """Say why images cannot be used: each kind of reason once, then the names of other images."""
    alike: dict[str, list[Skipped]] = {}
    for bad in skipped:
        # Reasons are of one kind if they differ only in paths.
        kind = re.sub(r"\S*[/\\]\S*", "", bad.reason.replace(str(bad.image), ""))
        alike.setdefault(kind, []).append(bad)
    sentences = []
    for first, *others in list(alike.values())[:_MOST_NAMED]:
        also = f"; likewise {listed([bad.name for bad in others])}" if others else ""
        sentences.append(f"{first.name}: {first.reason.rstrip('.')}{also}")
    left = sum(len(bad) for bad in list(alike.values())[_MOST_NAMED:])
    return "; ".join(sentences) + (f"; and {left} more" if left else "")


def listed(names: Sequence[str]) -> str:
    """Join names for a sentence; more than a few are counted."""
    more = f" and {len(names) - _MOST_NAMED} more" if len(names) > _MOST_NAMED else ""
    return ", ".join(names[:_MOST_NAMED]) + more
