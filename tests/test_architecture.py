"""The house's rules: imports run one way, and what must be light is light."""

import ast
import subprocess
import sys
from pathlib import Path

import pytest

import genbench

SOURCE = Path(genbench.__file__).parent
ROOMS = {"commands", "methods", "networks", "data", "metrics", "callbacks", "figures", "losses", "diffusion", "runs"}
ALLOWED = {
    "commands": ROOMS - {"commands"},
    "methods": {"networks", "losses", "diffusion"},
    "networks": set(),
    "losses": set(),
    "diffusion": set(),
    "data": set(),
    "metrics": set(),
    "callbacks": {"metrics", "figures"},
    "figures": set(),
    "runs": set(),
}


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
    elif room != "__main__":
        assert "commands" not in entered


@pytest.mark.parametrize("module", ["genbench.__main__", "genbench.config", "genbench.commands.list", "genbench.runs"])
def test_light_modules_import_nothing_heavy(module: str) -> None:
    code = f"import sys, {module}; print({{'torch', 'lightning', 'torchvision', 'sklearn'}} & set(sys.modules))"
    result = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert result.stdout.strip() == "set()"
