"""The lock file is exact, hashed and free of addresses; the small files that a project owes its users are there."""

import re
import tomllib
from pathlib import Path

ROOT = Path(__file__).parents[1]
LOCK = (ROOT / "requirements.lock").read_text()
PROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]


def test_every_package_is_locked_by_version_and_hash() -> None:
    entries = re.split(r"\n(?=[a-z])", LOCK.strip())
    assert len(entries) > 50
    for entry in entries:
        assert re.match(r"[a-z0-9-]+==\S+", entry), entry.splitlines()[0]
        assert "--hash=sha256:" in entry, entry.splitlines()[0]


def test_the_lock_names_no_address() -> None:
    assert "://" not in LOCK
    assert not re.search(r"^--", LOCK, re.MULTILINE)


def test_the_lock_has_the_pair_that_belongs_together_and_all_that_is_asked_for() -> None:
    locked = set(re.findall(r"^([a-z0-9-]+)==", LOCK, re.MULTILINE))
    assert "torch==2.14.1" in LOCK
    assert "torchvision==0.29.1" in LOCK
    asked = [*PROJECT["dependencies"], *(name for extra in PROJECT["optional-dependencies"].values() for name in extra)]
    names = {re.match(r"[\w-]+", requirement)[0].lower().replace("_", "-") for requirement in asked} - {"genbench"}
    assert names <= locked
    assert all(re.search("[<>=]", requirement) for requirement in PROJECT["dependencies"])


def test_licence_and_citation_agree_with_the_project() -> None:
    assert PROJECT["license"] == "MIT"
    assert (ROOT / "LICENSE").read_text().startswith("MIT License")
    assert f"version: {PROJECT['version']}" in (ROOT / "CITATION.cff").read_text()
