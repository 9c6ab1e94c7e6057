"""Going on where an image of a data set cannot be read."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

from anymask.errors import AnymaskError
from anymask.evaluation.data import Example, Examples


@dataclass(frozen=True)
class Unreadable:
    """An image that could not be used, or whose masks could not.

    Attributes
    ----------
    set_name, name : str
        The example it would have been.
    image : Path
    reason : str
        One sentence, with the name of the file.
    """

    set_name: str
    name: str
    image: Path
    reason: str


class ReadableExamples(Examples):
    """Examples without those that turn out to be unreadable.

    Each of these is told once and passed over from then on, however often one goes through them.
    Asking for one by its index still raises.

    Parameters
    ----------
    examples : Examples
    tell : callable
        Called with each `Unreadable` when it is found.
    """

    def __init__(self, examples: Examples, tell: Callable[[Unreadable], None]) -> None:
        super().__init__(examples.sources, examples.min_area, examples.unused)
        self._tell = tell
        self._unreadable: dict[int, Unreadable] = {}

    @property
    def unreadable(self) -> list[Unreadable]:
        """Those found so far, in the order of the examples."""
        return [self._unreadable[index] for index in sorted(self._unreadable)]

    def __iter__(self) -> Iterator[Example]:
        for index in range(len(self)):
            if index not in self._unreadable and (example := self._read(index)) is not None:
                yield example

    def _read(self, index: int) -> Example | None:
        source = self.sources[index]
        try:
            return self[index]
        except Exception as error:  # whatever is wrong with one file is no matter to the others
            said = " ".join(str(error).split())
            reason = said if isinstance(error, AnymaskError) else f"{type(error).__name__}: {said}"
        if str(source.image) not in reason:
            reason = f"{source.image}: {reason}"
        found = Unreadable(source.set_name, source.name, source.image, reason)
        self._unreadable[index] = found
        self._tell(found)
        return None
