"""An interpreter with what the measurements need, on a machine that may have much of it, in versions of its own.

What is there is used. What is missing is installed beside it, into a folder of the checkout that is no part of the
machine's own Python. On a machine without a network pip's own settings say where packages lie: `PIP_NO_INDEX=1
PIP_FIND_LINKS=FOLDER`.
"""

import subprocess
import sys
import tomllib
import venv
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import Any

_EXTRAS = ("bench",)
_BUILT_FOR_A_TORCH = ("torchvision",)
_MOST_SECONDS = 600.0
"""Of one call of pip: torch with all of CUDA may come with it. On a lent machine with a clock, bring packages along."""


class Interpreter:
    """A Python to measure with.

    Args:
        root: the checkout, whose `pyproject.toml` says what is needed.
        beside: folder for what has to be installed.

    Attributes:
        path: the executable.
        missing: requirements that are neither there nor could be installed.
        installed: requirements that were installed for this.
    """

    def __init__(self, root: Path, beside: Path) -> None:
        project = tomllib.loads((root / "pyproject.toml").read_text())["project"]
        wanted = [
            *project["dependencies"],
            *(line for name in _EXTRAS for line in project["optional-dependencies"][name]),
        ]
        self.path = sys.executable
        self.installed: list[str] = []
        self.missing = [requirement for requirement in wanted if not is_there(requirement)]
        if self.missing:
            self.path = _overlay(beside)
            self._install([requirement for requirement in wanted if requirement not in self.missing])

    def _install(self, there: list[str]) -> None:
        # What is there stays as it is: torch above all, which was built for this machine's driver.
        kept = Path(self.path).parent.parent / "kept.txt"
        kept.write_text("".join(f"{name(each)}=={version(name(each))}\n" for each in there))
        pip = [
            sys.executable,
            "-m",
            "pip",
            "--python",
            self.path,
            "install",
            "--quiet",
            "--retries",
            "1",
            "--constraint",
            str(kept),
        ]
        # All at once, as their versions belong together; if that can't be, each by itself.
        for group in [self.missing, *([requirement] for requirement in self.missing)]:
            if not self.missing:
                break
            try:
                done = subprocess.run([*pip, *group], check=False, stdout=sys.stderr, timeout=_MOST_SECONDS)
            except subprocess.TimeoutExpired:
                # Where this is slow, the next would be, too.
                break
            if done.returncode == 0:
                self.installed += group
                self.missing = [requirement for requirement in self.missing if requirement not in group]
        self._take_back()

    def _take_back(self) -> None:
        """Remove what was installed and was built for another torch: it breaks all that imports it."""
        for requirement in [each for each in self.installed if name(each) in _BUILT_FOR_A_TORCH]:
            if subprocess.run(
                [self.path, "-c", f"import {name(requirement)}"], check=False, capture_output=True
            ).returncode:
                pip = [sys.executable, "-m", "pip", "--python", self.path, "uninstall", "--quiet", "--yes"]
                subprocess.run([*pip, name(requirement)], check=True, stdout=sys.stderr)
                self.installed.remove(requirement)
                self.missing.append(requirement)


def _overlay(folder: Path) -> str:
    """Return the Python of an environment that has all that this one has."""
    python = folder / "bin" / "python"
    asked = [python, "-c", "import sys; print(sys.version)"]
    try:
        is_whole = subprocess.run(asked, check=True, capture_output=True, text=True).stdout.strip() == sys.version
    except (OSError, subprocess.SubprocessError):
        is_whole = False
    if not is_whole:
        venv.create(folder, clear=True, symlinks=True, with_pip=False)
    purelib = subprocess.run(
        [python, "-c", "import sysconfig; print(sysconfig.get_path('purelib'))"],
        check=True, capture_output=True, text=True,
    ).stdout.strip()  # fmt: skip
    # Behind its own packages, so that what is installed here is found first.
    own = [place for place in sys.path if place.endswith(("site-packages", "dist-packages"))]
    Path(purelib, "_the_machines_own.pth").write_text("\n".join(own) + "\n")
    return str(python)


def name(requirement: str) -> str:
    """Return the name of the package that a requirement such as `torch>=2.7` asks for."""
    parsed: str = _parse(requirement).name
    return parsed


def is_there(requirement: str) -> bool:
    """Whether this interpreter has what a requirement asks for."""
    parsed = _parse(requirement)
    try:
        return bool(parsed.specifier.contains(version(parsed.name), prereleases=True))
    except PackageNotFoundError:
        return False


def _parse(requirement: str) -> Any:
    try:
        from packaging.requirements import Requirement
    except ImportError:
        # pip carries a copy, and a bare machine has at least pip.
        from pip._vendor.packaging.requirements import Requirement  # type: ignore[no-redef]
    return Requirement(requirement)
