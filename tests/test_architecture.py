"""The house's rules: imports run one way, and what must be light is light."""

import ast
import subprocess
import sys
from graphlib import TopologicalSorter
from pathlib import Path

import pytest

import genbench

SOURCE = Path(genbench.__file__).parent
ALLOWED = {
    "commands": {"methods", "editing", "data", "metrics", "callbacks", "figures", "runs", "logs", "published", "text"},
    "editing": {"losses", "diffusion", "text"},
    "methods": {"networks", "losses", "diffusion", "logs"},
    "networks": set(),
    "losses": set(),
    "diffusion": set(),
    "text": set(),
    "data": {"text"},
    "metrics": {"text"},
    "published": {"text"},
    "callbacks": {"metrics", "figures", "logs", "runs"},
    "figures": set(),
    "runs": set(),
    "logs": set(),
}
ROOMS = set(ALLOWED)


def imports_of(file: Path) -> set[str]:
    """Return the modules of GenBench that a file imports, at any depth of its code."""
    found = set()
    for node in ast.walk(ast.parse(file.read_text())):
        if isinstance(node, ast.ImportFrom):
            assert node.level == 0, f"{file}: relative import"
            found |= {f"{node.module}.{alias.name}" for alias in node.names}
        elif isinstance(node, ast.Import):
            found |= {alias.name for alias in node.names}
    return {name for name in found if name.startswith("genbench.")}


@pytest.mark.parametrize("file", sorted(SOURCE.rglob("*.py")), ids=lambda file: str(file.relative_to(SOURCE)))
def test_imports_run_one_way(file: Path) -> None:
    room = file.relative_to(SOURCE).parts[0].removesuffix(".py")
    entered = {name.split(".")[1] for name in imports_of(file)} & ROOMS - {room}
    if room in ROOMS:
        assert entered <= ALLOWED[room]
    # The two front doors.
    elif room not in ("__main__", "api"):
        assert "commands" not in entered


@pytest.mark.parametrize(
    "module", ["genbench.__main__", "genbench.config", "genbench.commands.list", "genbench.runs.folder"]
)
def test_light_modules_import_nothing_heavy(module: str) -> None:
    code = f"import sys, {module}; print({{'torch', 'lightning', 'torchvision', 'sklearn'}} & set(sys.modules))"
    result = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert result.stdout.strip() == "set()"


def test_no_module_imports_itself_by_a_circle() -> None:
    modules = {
        ".".join(file.relative_to(SOURCE.parent).with_suffix("").parts).removesuffix(".__init__"): file
        for file in SOURCE.rglob("*.py")
    }

    def known(name: str) -> str:
        # `from genbench.data import base` and `from genbench.data.base import Split` name the same module.
        return name if name in modules else name.rpartition(".")[0]

    graph = {name: {known(found) for found in imports_of(file)} & modules.keys() for name, file in modules.items()}
    # It raises a CycleError, which names the circle.
    assert set(TopologicalSorter(graph).static_order()) == modules.keys()
