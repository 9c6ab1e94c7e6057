"""Which format a new table gets, by the name of its file."""

from __future__ import annotations

from pathlib import Path

from anymask.errors import OutputError
from anymask.io.registry import MaskFormat, written_formats


def table_format(path: Path, *, in_parts: bool) -> MaskFormat:
    """Return the format of a new table, by its name, and check that it can be written.

    Parameters
    ----------
    path : Path
    in_parts : bool
        Whether it must be one that is written part by part.

    Raises
    ------
    OutputError
        If no such format has this suffix, or a package that it needs is not installed.
    """
    forms = [
        form
        for form in written_formats().values()
        if (form.write_parts if in_parts else form.write_table) is not None
    ]
    for form in forms:
        if path.suffix.lower() in form.suffixes:
            if form.check is not None:
                form.check()
            return form
    suffixes = " nor a ".join(suffix for form in forms for suffix in form.suffixes)
    raise OutputError(f"{path} is neither a {suffixes}; give it one of these names.")
