"""Put `segment_anything` and `mobile_sam` where Python looks for modules."""

from __future__ import annotations

import atexit
import importlib
import importlib.util
import os
import pkgutil
import shutil
import sys
import tempfile
from pathlib import Path
from types import ModuleType

NAMES = ("segment_anything", "mobile_sam")
_HOME = "anymask.compat"
# What a module of each name has, in a folder on the search path of other processes.
_STAND_IN = "from anymask.compat import install\n\ninstall(replace=True)\n"


def install(replace: bool = False) -> list[str]:
    """Make ``import segment_anything`` and ``import mobile_sam`` find anymask.

    Call it before the program imports either name.

    Parameters
    ----------
    replace : bool
        Also take the place of packages of these names that are installed. What a program has
        imported from them already stays theirs.

    Returns
    -------
    list of str
        The names that are anymask's now.

    Examples
    --------
    >>> from anymask.compat import install
    >>> install(replace=True)
    ['segment_anything', 'mobile_sam']
    >>> from segment_anything import SamPredictor
    >>> SamPredictor.__module__
    'anymask.compat.segment_anything.predictor'
    """
    installed = []
    for name in NAMES:
        if not (replace or _is_absent(name) or _is_ours(name)):
            continue
        package = importlib.import_module(f"{_HOME}.{name}")
        for known in [m for m in sys.modules if m == name or m.startswith(name + ".")]:
            del sys.modules[known]
        for module in [package, *_modules_in(package)]:
            sys.modules[module.__name__.removeprefix(_HOME + ".")] = module
        if name == "mobile_sam":
            for short, module in shared_modules().items():
                sys.modules[f"{name}.{short}"] = module
        installed.append(name)
    return installed


def install_for_children() -> None:
    """Let processes that this one starts find anymask under both names too.

    Other Python programs find it by `PYTHONPATH`, and processes of `multiprocessing` by the search
    path, which they get from this one.
    """
    folder = tempfile.mkdtemp(prefix="anymask-compat-")
    atexit.register(shutil.rmtree, folder, ignore_errors=True)
    for name in NAMES:
        (Path(folder) / f"{name}.py").write_text(_STAND_IN, encoding="utf-8")
    sys.path.insert(0, folder)
    places = [folder, *filter(None, [os.environ.get("PYTHONPATH")])]
    os.environ["PYTHONPATH"] = os.pathsep.join(places)


def shared_modules() -> dict[str, ModuleType]:
    """The modules that `mobile_sam` has in common with `segment_anything`, by short name."""
    return {
        short: importlib.import_module(f"{_HOME}.segment_anything.{short}")
        for short in (
            "automatic_mask_generator",
            "predictor",
            "utils",
            "utils.amg",
            "utils.onnx",
            "utils.transforms",
            "modeling.common",
            "modeling.image_encoder",
            "modeling.mask_decoder",
            "modeling.prompt_encoder",
            "modeling.sam",
            "modeling.transformer",
        )
    }


def _modules_in(package: ModuleType) -> list[ModuleType]:
    found = pkgutil.walk_packages(package.__path__, package.__name__ + ".")
    return [importlib.import_module(module.name) for module in found]


def _is_absent(name: str) -> bool:
    try:
        return importlib.util.find_spec(name) is None
    except ValueError:  # a module that says nothing about where it is from
        return False


def _is_ours(name: str) -> bool:
    return getattr(sys.modules.get(name), "__name__", "").startswith(_HOME)
