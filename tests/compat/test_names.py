"""Whatever the wheel `segment-anything` 1.0 has, compat has, under the same name."""

from __future__ import annotations

import importlib
import inspect
import pkgutil
import sys

import pytest

from anymask.compat.mobile_sam import sam_model_registry as mobile_registry
from anymask.compat.segment_anything import sam_model_registry
from benchmarks.side_by_side.peers import metas_package


def wheel_modules():
    """Names of the wheel's modules, without the first part."""
    package = metas_package()
    names = [m.name for m in pkgutil.walk_packages(package.__path__, package.__name__ + ".")]
    return ["", *(name.removeprefix("segment_anything") for name in names)]


@pytest.fixture(scope="module", params=wheel_modules())
def modules(request):
    theirs = importlib.import_module("segment_anything" + request.param)
    return theirs, importlib.import_module("anymask.compat.segment_anything" + request.param)


def public(module):
    """Names of what the wheel itself defines, wherever it is imported from."""
    return {
        name: value
        for name, value in vars(module).items()
        if not name.startswith("_")
        and getattr(value, "__module__", "").startswith("segment_anything")
    } | {n: v for n, v in vars(module).items() if n == "sam_model_registry"}


def parameters(function):
    return list(inspect.signature(function).parameters)


def test_every_name_of_every_module_is_there(modules):
    theirs, ours = modules
    assert [name for name in public(theirs) if not hasattr(ours, name)] == []


def test_functions_take_the_same_parameters(modules):
    theirs, ours = modules
    functions = {n: v for n, v in public(theirs).items() if inspect.isfunction(v)}
    for name, function in functions.items():
        assert parameters(getattr(ours, name)) == parameters(function), name


def test_classes_and_their_methods_take_the_same_parameters_first(modules):
    theirs, ours = modules
    classes = {n: v for n, v in public(theirs).items() if inspect.isclass(v)}
    for name, cls in classes.items():
        own = getattr(ours, name)
        methods = {
            n: v
            for n, v in vars(cls).items()
            if inspect.isroutine(v) and (n == "__init__" or not n.startswith("_"))
        }
        for method in methods:
            wanted = parameters(getattr(cls, method))
            found = parameters(getattr(own, method))
            assert found[: len(wanted)] == wanted, f"{name}.{method}"
        properties = [n for n, v in vars(cls).items() if isinstance(v, property)]
        assert all(hasattr(own, n) for n in properties)


def test_defaults_are_the_same(modules):
    theirs, ours = modules

    def defaults(cls):
        values = inspect.signature(cls.__init__).parameters.values()
        plain = (bool, int, float, str, type(None))
        return {p.name: p.default for p in values if isinstance(p.default, plain)}

    for name, cls in public(theirs).items():
        if inspect.isclass(cls):
            own = defaults(getattr(ours, name))
            assert {n: own.get(n, "none") for n in defaults(cls)} == defaults(cls), name


def test_registries_are_dictionaries_with_the_published_names():
    assert type(sam_model_registry) is dict
    assert list(sam_model_registry) == list(metas_package().sam_model_registry)
    assert [*sam_model_registry, "vit_t"] == list(mobile_registry)


def test_the_registry_of_anymask_is_a_dictionary_too():
    from anymask import sam_model_registry as own

    assert isinstance(own, dict)
    assert set(sam_model_registry) <= set(own)


def test_mobile_sam_has_the_modules_of_segment_anything():
    importlib.import_module("anymask.compat.mobile_sam")
    for name in wheel_modules():
        assert importlib.import_module("anymask.compat.mobile_sam" + name)
    assert "anymask.compat.mobile_sam.utils.amg" in sys.modules
