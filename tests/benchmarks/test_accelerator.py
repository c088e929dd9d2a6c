"""`make accelerator`: every part at tiny size, and what becomes of parts that fail, hang or crash."""

import json
import math
import subprocess
import sys
import time
import zipfile
from importlib import import_module
from pathlib import Path
from typing import Any

import pytest
import torch
from torch import nn

from tests.benchmarks.accelerator.__main__ import Session, main
from tests.benchmarks.accelerator.environment import Interpreter, is_there
from tests.benchmarks.accelerator.form import Form
from tests.benchmarks.accelerator.page import render
from tests.benchmarks.accelerator.plan import PARTS, Part
from tests.benchmarks.accelerator.record import Record

BASIC = {"steps/s", "images/s", "plain steps/s", "ratio", "quartiles", "data wait"}
ROWS: list[tuple[str, str, set[str]]] = [
    ("steps", "GAN, 64 pixels, bf16, fused optimizers (GenBench's alone)", BASIC),
    ("compiled", "DDPM, 32, bf16, CUDA graphs", BASIC),
    ("steps", "GAN, 64 pixels, bf16, cudnn.benchmark", BASIC),
    ("steps", "WGAN-GP, 32, bf16", BASIC | {"GiB", "plain GiB"}),
    ("steps", "pix2pix, 256, bf16", BASIC),
    ("steps", "CycleGAN, 256, bf16", BASIC),
    ("steps", "DDPM, 32, fp16", BASIC),
    ("compiled", "DDPM, 32, bf16, compiled", BASIC),
    ("steps", "DDPM, 32, bf16, channels first", BASIC),
    ("steps", "DDPM, 64, bf16", BASIC),
    ("waits", "CycleGAN, 256", {"waits a step", "where"}),
    ("sampling", "ddim, a bare loop", {"ms a call", "calls made", "images/s"}),
    ("sampling", "heun", {"ms a call", "calls made", "calls by default", "images/s"}),
    ("sampling", "repaint", {"ms a call", "calls made", "calls by default", "images/s"}),
    ("sampling", "ddim, bf16", {"ms a call", "calls made", "calls by default", "images/s"}),
    ("peers", "U-Net step, bf16", {"GenBench", "diffusers", "ratio", "parameters", "diffusers' parameters"}),
    ("peers", "DDIM, TF32", {"GenBench", "diffusers", "ratio"}),
    ("scoring", "Inception's features, TF32", {"images/s", "torch-fidelity's images/s", "ratio"}),
    ("scoring", "Frechet distance", {"seconds"}),
    ("resume", "DDPM, fp16", {"resumed and whole", "whole and whole", "equal"}),
    ("processes", "GAN, Gloo", {"steps/s, one process", "steps/s, two", "ratio", "SyncBatchNorm"}),
    ("capacity", "DDPM, 64, bf16", {"images", "GiB", "images/s", "stopped by"}),
    ("training", "ddpm_cifar10", {"steps", "last loss", "picture"}),
]


@pytest.fixture
def form(tmp_path: Path) -> Form:
    return Form(tiny=True, deadline=time.monotonic() + 600, images=None, out=str(tmp_path))


@pytest.mark.parametrize(("part", "row", "columns"), ROWS, ids=[f"{part}: {row}" for part, row, _ in ROWS])
def test_every_part_runs_on_a_cpu_at_tiny_size(
    form: Form, monkeypatch: pytest.MonkeyPatch, part: str, row: str, columns: set[str]
) -> None:
    compiled: list[Any] = []
    compile_whole = nn.Module.compile

    def compile_quickly(module: nn.Module, mode: str = "default") -> None:
        compiled.append(mode)
        compile_whole(module, backend="aot_eager")

    monkeypatch.setattr(nn.Module, "compile", compile_quickly)
    figures = import_module(f"tests.benchmarks.accelerator.{part}").rows(form)[row]()
    assert columns <= set(figures)
    for name, value in figures.items():
        if isinstance(value, float):
            assert math.isfinite(value), name
    for name in {"ratio", "images/s", "seconds"} & set(figures):
        assert figures[name] > 0, name
    if "compiled" in row or "graphs" in row:
        assert set(compiled) == {"reduce-overhead" if "graphs" in row else "default"}
    else:
        assert not compiled
    if part == "peers":
        assert figures.get("parameters", 1) == pytest.approx(figures.get("diffusers' parameters", 1), rel=0.01)
    if part == "resume":
        # On a CPU nothing is left to chance.
        assert figures["equal"]
        assert figures["resumed and whole"] == figures["whole and whole"] == 0
    if part == "training":
        assert Path(form.out, figures["picture"]).is_file()
        assert 0 < figures["last loss"] < 2


def test_the_tiny_form_has_every_method_and_every_variant(form: Form) -> None:
    steps = import_module("tests.benchmarks.accelerator.steps")
    subjects = import_module("tests.benchmarks.accelerator.subjects")
    compiled = import_module("tests.benchmarks.accelerator.compiled")
    rows = [*steps.rows(form), *compiled.rows(form)]
    assert all(any(name.startswith(subject) for name in rows) for subject in subjects.SUBJECTS)
    assert all(any(name.endswith(variant) for name in rows) for variant in steps.VARIANTS)
    whole = Form(False, 0, None, "")
    full = [*steps.rows(whole), *compiled.rows(whole)]
    for how in ("bf16", "TF32", "fp16", "fp32", "bf16, compiled"):
        assert {f"{subject}, {how}" for subject in subjects.SUBJECTS} <= set(full)


def test_methods_of_two_players_compile_as_their_plain_loops_do(form: Form, monkeypatch: pytest.MonkeyPatch) -> None:
    """A gradient penalty can't be compiled, and a container of networks is never called."""
    called: list[nn.Module] = []
    compile_whole = nn.Module.compile

    def compile_quickly(module: nn.Module) -> None:
        called.append(module)
        compile_whole(module, backend="aot_eager")

    monkeypatch.setattr(nn.Module, "compile", compile_quickly)
    steps = import_module("tests.benchmarks.accelerator.steps")
    subjects = import_module("tests.benchmarks.accelerator.subjects")
    for name in ("WGAN-GP, 32", "CycleGAN, 256"):
        assert steps.measure(subjects.SUBJECTS[name], steps.VARIANTS["bf16, compiled"], form)["ratio"] > 0
    assert not any(isinstance(module, nn.ModuleDict) for module in called)
    # Two discriminators, the translators and their average, by GenBench and by the plain loop.
    assert len(called) == 2 * 3 + 2 * 4


def test_the_parts_leave_time_for_the_training(tmp_path: Path) -> None:
    assert PARTS[-1].name == "training"
    assert all(part.row_seconds <= part.seconds for part in PARTS)
    record = Record(tmp_path / "figures.json", "a card", {"form": "full"})
    session = Session("/bin/false", record, tmp_path / "page.md", [], time.monotonic() + 110, tmp_path / "log")
    session.run(PARTS[0], limited=True)
    assert "there was no time for this part" in (tmp_path / "page.md").read_text()


PEER = """#!{python}
import json, sys, time, os
skip = next(json.loads(word[7:]) for word in sys.argv if word.startswith("--skip="))
def say(**what): print(json.dumps(what), flush=True)
say(rows=["fine", "fails", "hangs", "crashes", "late"])
for name in ["fine", "fails", "hangs", "crashes", "late"]:
    if name in skip:
        continue
    say(begin=name)
    if name == "hangs":
        time.sleep(600)
    if name == "crashes":
        os._exit(9)
    say(row=name, **({{"failed": "ValueError: too | wide"}} if name == "fails" else {{"figures": {{"steps/s": 12.5}}}}))
"""


def test_what_fails_hangs_or_crashes_takes_nothing_else_with_it(tmp_path: Path) -> None:
    fake = tmp_path / "python"
    fake.write_text(PEER.format(python=sys.executable))
    fake.chmod(0o755)
    part = Part("steps", "Steps", "Words.", seconds=60, row_seconds=2)

    (tmp_path / "log").write_text("the last words")

    def session() -> Session:
        record = Record(tmp_path / "figures.json", "a card", {"form": "full", "device": "a card"})
        page, log = tmp_path / "page.md", tmp_path / "log"
        return Session(str(fake), record, page, [], time.monotonic() + 200, log)

    session().run(part, limited=True)
    rows = json.loads((tmp_path / "figures.json").read_text())["machines"]["a card"]["parts"]["steps"]["rows"]
    assert list(rows) == ["fine", "fails", "hangs", "crashes", "late"]
    assert rows["fine"]["figures"] == rows["late"]["figures"] == {"steps/s": 12.5}
    assert rows["fails"]["failed"] == "ValueError: too | wide"
    assert rows["hangs"]["failed"] == "not done within 2 s"
    assert rows["crashes"]["failed"] == "its process ended with status 9: the last words"
    page = (tmp_path / "page.md").read_text()
    assert "| fine | 12.5 |" in page
    assert "- **fails failed**: ValueError: too \\| wide" in page
    # Again: what is done is skipped, what failed is tried once more.
    fake.write_text(PEER.format(python=sys.executable).replace("time.sleep(600)", "pass").replace("12.5", "99"))
    session().run(part, limited=True)
    rows = json.loads((tmp_path / "figures.json").read_text())["machines"]["a card"]["parts"]["steps"]["rows"]
    assert rows["fine"]["figures"] == {"steps/s": 12.5}
    assert rows["hangs"]["figures"] == {"steps/s": 99}


def test_a_damaged_record_is_put_aside(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    file = tmp_path / "figures.json"
    file.write_text('{"machines": {"a card"')
    Record(file, "a card", {"form": "full"}).add("steps", "one", figures={"steps/s": 1.0})
    assert (tmp_path / "figures.damaged").is_file()
    assert "is damaged" in capsys.readouterr().err
    # Facts are those of the last call; what was measured stays.
    again = Record(file, "a card", {"form": "full", "did without": "nothing"})
    again.add("steps", "two", failed="no")
    assert again.done("steps") == ["one"]
    assert not again.is_done("steps")
    assert Record(file, "a card", {"form": "full"}).content["machines"]["a card"]["facts"] == {"form": "full"}


def test_a_mistyped_folder_of_photographs_is_named_at_once(tmp_path: Path) -> None:
    with pytest.raises(SystemExit, match=r"holds neither train\.zip nor folders of photographs"):
        main(["--images", str(tmp_path / "nowhere"), "--out", str(tmp_path)])
    (tmp_path / "file").touch()
    with pytest.raises(SystemExit, match="can't be written"):
        main(["--out", str(tmp_path / "file")])


def test_a_part_that_cannot_begin_says_so_once(tmp_path: Path) -> None:
    record = Record(tmp_path / "figures.json", "a card", {"form": "full"})
    log = tmp_path / "log"
    log.write_text("No module named 'torch'")
    session = Session("/bin/false", record, tmp_path / "page.md", [], time.monotonic() + 200, log)
    session.run(Part("peers", "Peers", "Words.", 60, 10), limited=True)
    assert (
        "this part failed**: its process ended with status 1: No module named 'torch'"
        in (tmp_path / "page.md").read_text()
    )


def test_the_page_keeps_machines_apart_and_shows_what_is_missing() -> None:
    rows = {"a": {"figures": {"steps/s": 1234.5, "equal": True}}, "b": {}, "c": {"figures": {"picture": "x.png"}}}
    machines = {
        "a laptop": {"facts": {"form": "tiny"}, "parts": {"steps": {"rows": rows}}},
        "a card": {"facts": {"form": "full", "date": "2026-11-26"}, "parts": {}},
    }
    page = render({"machines": machines})
    assert page.index("## a card") < page.index("## a laptop")
    assert "| a | 1,234 | yes |" in page
    assert "![c](x.png)" in page
    assert "not reached in the time that there was: b" in page
    assert "Its figures mean nothing" in page.partition("## a laptop")[2]


def test_a_machine_s_own_packages_are_used_and_only_what_is_missing_is_installed(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    wheels = tmp_path / "wheels"
    wheels.mkdir()
    with zipfile.ZipFile(wheels / "smallthing-1.0-py3-none-any.whl", "w") as wheel:
        wheel.writestr("smallthing.py", "size = 1\n")
        wheel.writestr("smallthing-1.0.dist-info/METADATA", "Metadata-Version: 2.1\nName: smallthing\nVersion: 1.0\n")
        wheel.writestr(
            "smallthing-1.0.dist-info/WHEEL", "Wheel-Version: 1.0\nRoot-Is-Purelib: true\nTag: py3-none-any\n"
        )
        wheel.writestr("smallthing-1.0.dist-info/RECORD", "")
    (tmp_path / "pyproject.toml").write_text(
        '[project]\ndependencies = ["torch>=2", "smallthing>=1", "nowhere-to-be-had>=3"]\n'
        "[project.optional-dependencies]\nbench = []\n"
    )
    monkeypatch.setenv("PIP_NO_INDEX", "1")
    monkeypatch.setenv("PIP_FIND_LINKS", str(wheels))
    found = Interpreter(tmp_path, tmp_path / "beside")
    assert found.installed == ["smallthing>=1"]
    assert found.missing == ["nowhere-to-be-had>=3"]
    code = "import smallthing, torch; print(torch.__version__, torch.__file__)"
    said = subprocess.run([found.path, "-c", code], check=True, capture_output=True, text=True).stdout.split()
    assert said == [torch.__version__, torch.__file__]
    assert not is_there("smallthing>=1")


def test_the_whole_command(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("OMP_NUM_THREADS", "1")
    monkeypatch.setenv("PYTHONPATH", "")
    assert main(["--tiny", "--only", "capacity", "--out", str(tmp_path), "--minutes", "5"]) == 0
    page = (tmp_path / "accelerator.md").read_text()
    assert "### The largest batch that fits" in page
    assert "failed" not in page
    assert f"torch {torch.__version__}" in page
