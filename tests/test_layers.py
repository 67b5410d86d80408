"""The shape of the code, by syntax trees: imports go down, heavy packages have one home, nothing is too long."""

import ast
from collections import defaultdict
from collections.abc import Iterator
from functools import cache
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]
FILES = sorted((ROOT / "semsplat").rglob("*.py"))
LAYERS = {"splatting": 0, "distill": 1, "app": 2}
HEAVY = {  # each is imported in one file; a second use goes through that file
    "numba", "gsplat", "av", "viser", "tyro", "plyfile", "matplotlib", "pycolmap", "tensorboard", "websockets",
    "msgspec", "segment_anything", "zstandard",
}  # fmt: skip
LIGHT_COMMAND_LINE = ("torch", "numpy", "rich", "matplotlib", "numba", "viser", "av", "safetensors")
LONGEST_FILE, LONGEST_FUNCTION = 300, 60  # lines


@cache
def nodes_of(path: Path) -> tuple[ast.AST, ...]:
    """The module first, then all below it."""
    return tuple(ast.walk(ast.parse(path.read_text(encoding="utf-8"))))


def imports(path: Path, top_only: bool = False) -> Iterator[tuple[str, int]]:
    """(absolute dotted name, line) of everything imported in a file."""
    package = path.relative_to(ROOT).parent.parts
    nodes = nodes_of(path)
    for node in ast.iter_child_nodes(nodes[0]) if top_only else nodes:
        if isinstance(node, ast.Import):
            yield from ((alias.name, node.lineno) for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            base = package[: len(package) - node.level + 1] if node.level else ()
            origin = ".".join((*base, *((node.module or "").split(".") if node.module else ())))
            yield from ((f"{origin}.{alias.name}", node.lineno) for alias in node.names)


def layer_of(name: str) -> int | None:
    parts = name.split(".")
    return LAYERS.get(parts[1]) if parts[0] == "semsplat" and len(parts) > 1 else None


def test_imports_go_only_downwards() -> None:
    for path in FILES:
        own = layer_of(".".join(path.relative_to(ROOT).parts))
        for name, line in imports(path):
            other = layer_of(name)
            assert own is None or other is None or other <= own, f"{path}:{line} imports {name} from above"


def test_packages_know_nothing_of_tests_and_benchmarks() -> None:
    for path in FILES:
        for name, line in imports(path):
            assert name.split(".")[0] not in ("tests", "benchmarks", "pytest"), f"{path}:{line}"


def test_heavy_packages_have_one_home() -> None:
    homes = defaultdict(set)
    for path in FILES:
        for name, _ in imports(path):
            homes[name.split(".")[0]].add(str(path.relative_to(ROOT)))
    for package in sorted(HEAVY & homes.keys()):
        assert len(homes[package]) == 1, f"{package} is imported in {sorted(homes[package])}"
    folders = {str(Path(home).parent) for home in homes["transformers"]}
    assert {Path(home).stem for home in homes["triton"]} <= {"_triton", "_triton_kernels"}
    assert folders <= {"semsplat/distill/teachers"}, f"transformers is imported in {sorted(homes['transformers'])}"


@pytest.mark.parametrize("package", ["trimesh", "open3d"])
def test_the_mesh_extra_is_imported_inside_functions(package: str) -> None:
    for path in FILES:
        names = {name.split(".")[0] for name, _ in imports(path, top_only=True)}
        assert package not in names or path.parent.name == "assets", f"{path} needs {package} at import time"


def test_the_command_line_starts_light() -> None:
    for name in ("cli.py", "cli_meaning.py", "arguments.py"):
        names = {name.split(".")[0] for name, _ in imports(ROOT / "semsplat" / "app" / name, top_only=True)}
        assert not names & set(LIGHT_COMMAND_LINE)


def functions(path: Path) -> Iterator[ast.FunctionDef | ast.AsyncFunctionDef]:
    for node in nodes_of(path):
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef):
            yield node


def test_nothing_is_too_long() -> None:
    found = []
    for path in FILES:
        lines = len(path.read_text(encoding="utf-8").splitlines())
        found += [f"{path}: {lines} lines"] * (lines > LONGEST_FILE)
        for function in functions(path):
            length = (function.end_lineno or 0) - function.lineno + 1
            found += [f"{path}:{function.lineno} {function.name}: {length} lines"] * (length > LONGEST_FUNCTION)
    assert not found, "\n".join(found)


def test_nothing_below_the_app_prints() -> None:
    for path in FILES:
        if "app" in path.relative_to(ROOT).parts or "assets" in path.relative_to(ROOT).parts:
            continue
        for node in nodes_of(path):
            called = node.func.id if isinstance(node, ast.Call) and isinstance(node.func, ast.Name) else ""
            assert called not in ("print", "input", "breakpoint"), f"{path}:{getattr(node, 'lineno', 0)} calls {called}"


def test_annotations_are_seen_at_run_time() -> None:
    for path in FILES:
        assert "__future__.annotations" not in {name for name, _ in imports(path)}, f"{path} hides its annotations"
