"""Prepares beside the window what napari would prepare in its thread for the first layer."""

from __future__ import annotations

import importlib
import threading
from contextlib import suppress

_one_at_a_time = threading.Lock()


def warm_up() -> None:
    """Import pandas, for the tables of napari's layers, and read pint's list of units.

    Takes half a second, or longer from a slow disk; a second call returns at once.
    """
    with _one_at_a_time, suppress(ImportError):
        importlib.import_module("pandas")
        pint = importlib.import_module("pint")
        registry = importlib.import_module("pint.registry")
        used = pint.get_application_registry()
        # pint makes its registry when it is first asked for a unit, in steps that the window must
        # not see half done; so another one is made and put in its place.
        if isinstance(used.get(), registry.LazyRegistry):
            made = registry.UnitRegistry()
            if isinstance(used.get(), registry.LazyRegistry):
                pint.set_application_registry(made)
