"""What `import anymask` offers and costs, and what the package ships."""

from __future__ import annotations

import ast
import graphlib
import importlib
import re
import subprocess
import sys
import tomllib
from pathlib import Path

import pytest

import anymask

ROOT = Path(__file__).parents[1]


def run_python(code: str) -> str:
    """Run code in a fresh interpreter that sees the same package, and return what it prints."""
    env = {"PYTHONPATH": str(Path(anymask.__file__).parents[1]), "PATH": ""}
    return subprocess.run(
        [sys.executable, "-c", code], env=env, capture_output=True, text=True, check=True
    ).stdout


def test_importing_anymask_loads_no_torch_and_nothing_else_slow():
    loaded = run_python("import anymask, sys; print(*sys.modules)").split()
    slow = {"torch", "numpy", "scipy", "skimage", "PIL", "rich", "typer", "matplotlib"}
    assert slow.isdisjoint(loaded)


def test_the_command_line_answers_without_torch():
    code = (
        "import sys; from typer.testing import CliRunner; from anymask.cli.app import app;"
        "r = CliRunner().invoke(app, ['everything', '--help']);"
        "print(r.exit_code, 'torch' in sys.modules)"
    )
    assert run_python(code).split() == ["0", "False"]


@pytest.mark.parametrize("name", anymask.__all__)
def test_every_public_name_is_there(name):
    assert getattr(anymask, name) is not None
    assert name in dir(anymask)


def test_every_public_name_resolves_in_a_fresh_interpreter():
    code = "import anymask; [getattr(anymask, name) for name in anymask.__all__]; print('ok')"
    assert run_python(code).strip() == "ok"


def test_the_import_line_of_metas_tutorial_works():
    from anymask import SamAutomaticMaskGenerator, SamPredictor, sam_model_registry

    assert SamPredictor.__name__ == "SamPredictor"
    assert SamAutomaticMaskGenerator.__name__ == "SamAutomaticMaskGenerator"
    assert "vit_b" in sam_model_registry


def test_an_unknown_name_is_an_attribute_error():
    with pytest.raises(AttributeError, match="no_such_name"):
        anymask.no_such_name  # noqa: B018


def test_all_errors_are_anymask_errors():
    errors = importlib.import_module("anymask.errors")
    classes = [value for value in vars(errors).values() if isinstance(value, type)]
    assert len(classes) >= 5
    assert all(issubclass(value, errors.AnymaskError) for value in classes)


def test_the_version_is_one_everywhere():
    citation = (ROOT / "CITATION.cff").read_text(encoding="utf-8")
    assert re.search(r"^version: (.*)$", citation, re.M).group(1) == anymask.__version__


def test_constraints_pin_every_direct_dependency_within_its_range():
    from packaging.requirements import Requirement

    project = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]
    extras = project["optional-dependencies"].values()
    needed = [Requirement(text) for group in (project["dependencies"], *extras) for text in group]
    lines = (ROOT / "constraints.txt").read_text(encoding="utf-8").splitlines()
    pins = dict(line.split("==") for line in lines if line and not line.startswith("#"))
    for requirement in needed:
        if requirement.name != "anymask":
            assert requirement.specifier.contains(pins[requirement.name]), requirement.name


def test_every_data_file_is_installed_with_the_package():
    settings = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["tool"]
    package = ROOT / "src" / "anymask"
    files = {p for p in package.rglob("*") if p.is_file() and p.suffix not in (".py", ".pyc")}
    patterns = settings["setuptools"]["package-data"]["anymask"]
    assert files == {p for pattern in patterns for p in package.glob(pattern)}


# From the lowest: those of one line do not know each other.
LAYERS = (
    ("errors",),
    ("files", "label_ids", "notices", "option_fields", "palette", "plugins", "wording"),
    ("expressions", "journal"),
    ("images", "masks", "model"),
    ("client", "measuring", "painting", "prompts"),
    ("checkpoints", "show"),
    ("predict", "io", "samples"),
    ("compat", "cvat", "datasets", "tracking"),
    ("evaluation", "jobs", "notebook", "onnx_export"),
    ("reports",),
    ("training",),
    ("__init__", "export"),
    ("session",),
    ("napari", "web"),
    ("cli",),
    ("__main__",),
)


def test_the_page_on_architecture_shows_these_layers():
    page = (ROOT / "docs" / "architecture.md").read_text(encoding="utf-8")
    block = next(part for part in page.split("```") if "\n errors.py\n" in part)
    shown = [{Path(name).stem for name in line.split()} for line in block.strip().splitlines()]
    layers = [{name for name in layer if not name.startswith("_")} for layer in LAYERS]
    assert shown[::-1] == [layer for layer in layers if layer]


def imports_of(path: Path) -> set[str]:
    """The modules of anymask that a file imports, wherever in it, by their first name."""
    names = set()
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
        if isinstance(node, ast.Import):
            names |= {alias.name for alias in node.names}
        elif isinstance(node, ast.ImportFrom) and node.module == "anymask":
            names |= {f"anymask.{alias.name}" for alias in node.names}
        elif isinstance(node, ast.ImportFrom):
            names.add(node.module or "")
    parts = [name.split(".") for name in names if name.startswith("anymask.")]
    known = {name for layer in LAYERS for name in layer}
    # What is no module of its own is a public name of the package itself.
    return {part[1] if part[1] in known else "__init__" for part in parts}


def test_a_lower_layer_imports_no_higher_one():
    package = ROOT / "src" / "anymask"
    height = {name: index for index, layer in enumerate(LAYERS) for name in layer}
    for path in package.rglob("*.py"):
        own = path.relative_to(package).with_suffix("").parts[0]
        assert own in height, f"{own} has no place among the layers"
        higher = {n for n in imports_of(path) if n != own and height[n] >= height[own]}
        assert not higher, f"{path} imports {higher}"


def test_no_modules_import_each_other_in_a_circle():
    package = ROOT / "src" / "anymask"
    files = {
        ".".join(("anymask", *path.relative_to(package).with_suffix("").parts)): path
        for path in package.rglob("*.py")
        if path.stem != "__init__"
    }
    imported = {name: run_time_imports(path) & files.keys() for name, path in files.items()}
    order = list(graphlib.TopologicalSorter(imported).static_order())  # raises on a circle
    assert set(order) == set(files)


def run_time_imports(path: Path) -> set[str]:
    """The modules that a file and its functions import when they run."""
    names = set()
    nodes = [ast.parse(path.read_text(encoding="utf-8"))]
    while nodes:
        node = nodes.pop()
        if isinstance(node, ast.ImportFrom) and node.module:
            names |= {node.module, *(f"{node.module}.{alias.name}" for alias in node.names)}
        elif isinstance(node, ast.Import):
            names |= {alias.name for alias in node.names}
        is_for_types = isinstance(node, ast.If) and ast.unparse(node.test) == "TYPE_CHECKING"
        if not is_for_types:
            nodes += ast.iter_child_nodes(node)
    return names


@pytest.mark.parametrize("package", ["anymask", "anymask.session", "anymask.io"])
def test_no_public_name_is_hidden_by_a_module_of_that_name(package):
    # Public names are imported when first used; a module of the same name would take their place.
    module = importlib.import_module(package)
    modules = {path.stem for path in Path(module.__file__).parent.glob("*.py")}
    for name in modules & set(module.__all__):
        assert getattr(module, name) is importlib.import_module(f"{package}.{name}")
