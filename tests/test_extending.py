"""`docs/extending.md`, word for word: its files in an empty folder outside the checkout, and its commands."""

import json
import re
import shlex
import shutil
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest
from PIL import Image

from genbench import plugins
from genbench.__main__ import main

PAGE = Path(__file__).parents[1] / "docs" / "extending.md"
SMALL = ["trainer.accelerator=cpu", "callbacks.grid.count=4", "callbacks.nearest=null"]


@pytest.fixture
def mine(monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    """Write the package of the page into the working folder, from which it can be imported."""
    (Path("mine")).mkdir()
    Path("mine/__init__.py").touch()
    found = re.findall(r"^```(?:python|yaml)\n# (mine/\S+)\n(.*?)^```$", PAGE.read_text(), re.DOTALL | re.MULTILINE)
    for name, text in found:
        Path(name).parent.mkdir(parents=True, exist_ok=True)
        Path(name).write_text(text)
    # All that the page lists is there.
    listed = re.search(r"^    mine/\n(.*?)\n\n", PAGE.read_text(), re.DOTALL | re.MULTILINE)
    assert listed is not None
    names = {line.split()[0] for line in listed[1].splitlines()} - {"__init__.py"}
    assert names == {name.removeprefix("mine/") for name, _ in found}
    monkeypatch.syspath_prepend(str(Path.cwd()))
    monkeypatch.setenv("GENBENCH_PLUGINS", "")
    yield Path("mine").absolute()
    for name in [name for name in sys.modules if name.partition(".")[0] == "mine"]:
        del sys.modules[name]
    plugins.admit([])


def command(part: str) -> list[str]:
    """Return the words of the one command of the page that holds a part."""
    (line,) = {line.strip() for line in PAGE.read_text().splitlines() if part in line and line.startswith("    python")}
    return shlex.split(line)[3:]


def only(folder: Path) -> Path:
    (found,) = folder.iterdir()
    return found


@pytest.mark.usefixtures("mine")
def test_a_method_is_one_file(capsys: pytest.CaptureFixture[str]) -> None:
    words = [*SMALL, "metrics.count=200", "output=outputs", "name=run"]
    assert main([*command("method=gaussian data=digits data.size=8"), *words]) == 0
    printed = capsys.readouterr().out
    run = only(Path("outputs/run"))
    # What is to be pasted says which package it takes.
    assert "python -m genbench sample --plugin mine run=" in printed
    # It knows the mean digit, which one step of training does not.
    score = json.loads((run / "scores.json").read_text())["values"]["fid_digits"]
    assert main([*command("method=gaussian data=digits data.size=8"), *words, "steps=1", "name=start"]) == 0
    assert score < json.loads((only(Path("outputs/start")) / "scores.json").read_text())["values"]["fid_digits"]
    assert main(["train", "--plugin", "mine", f"run={run}", "steps=210"]) == 0
    assert main(["evaluate", "--plugin", "mine", f"run={run}", "device=cpu"]) == 0


@pytest.mark.usefixtures("mine")
def test_a_method_built_on_another_run_is_one_file() -> None:
    words = [*SMALL, "metrics.count=200", "output=outputs"]
    assert main([*command("method=vae data=digits"), *words, "network.autoencoder.width=8", "name=first"]) == 0
    second = command("method=latent_normal data=digits")
    second[-1] = f"parts.first_stage={only(Path('outputs/first'))}"
    assert main([*second, *words, "name=second"]) == 0
    assert main([*second, *words, "name=start", "steps=1"]) == 0
    shutil.rmtree("outputs/first")
    scores = []
    for name in ("second", "start"):
        run = only(Path("outputs", name))
        assert main(["evaluate", "--plugin", "mine", f"run={run}", "device=cpu"]) == 0
        scores.append(json.loads((run / "scores.json").read_text())["values"]["fid_digits"])
    # It has learnt where the latents are.
    assert scores[0] < scores[1]


@pytest.mark.usefixtures("mine")
def test_a_data_set_and_a_kind_of_condition_are_one_file_each(capsys: pytest.CaptureFixture[str]) -> None:
    words = [*SMALL, "steps=4", "data.size=8", "network.denoiser.width=8", "sampler.steps=2"]
    assert main([*command("method=ddpm data=stripes"), *words, "output=outputs", "name=run"]) == 0
    run = only(Path("outputs/run"))
    assert json.loads((run / "condition.json").read_text()) == {"condition": {"_target_": "mine.angle.Angle"}}
    draw = ["sample", "--plugin", "mine", f"run={run}", "device=cpu", "count=3"]
    assert main([*draw, "condition=45", "out=drawn"]) == 0
    assert Image.open("drawn/images/000002.png").size == (8, 8)
    for angle, message in (("north", "an angle is a number of degrees"), ("nan", "NaN")):
        assert main([*draw, f"condition={angle}"]) == 2
        assert message in capsys.readouterr().err


@pytest.mark.usefixtures("mine")
def test_an_editor_is_one_file(capsys: pytest.CaptureFixture[str]) -> None:
    words = [*SMALL, "metrics=none", "steps=4", "data.size=8", "output=outputs"]
    for name, method in (("run", "gan"), ("classes", "cgan")):
        narrow = ["network.generator.width=4", "network.discriminator.width=4"]
        assert main([f"method={method}", "data=digits", *narrow, *words, f"name={name}"]) == 0
    (Path("DIR")).mkdir()
    for shade in (0, 200):
        Image.new("L", (8, 8), shade).save(f"DIR/{shade}.png")
    edit = [word for word in command("editor=search_latent") if not word.startswith("run=")]
    small = ["device=cpu", "editor.steps=5", "editor.every=2", "out=edits"]
    assert main([*edit, f"run={only(Path('outputs/run'))}", *small]) == 0
    assert len([*Path("edits/pictures").iterdir()]) == 2
    # The first, after two and four steps, and the last.
    assert len([*Path("edits/intermediate/00001").iterdir()]) == 4
    curves = json.loads(Path("edits/scores.json").read_text())["values"]["distance"]
    assert all(len(curve) == 6 and curve == sorted(curve, reverse=True) for curve in curves)
    assert main([*edit, f"run={only(Path('outputs/classes'))}", *small]) == 2
    assert "it takes an unconditional method" in capsys.readouterr().err


@pytest.mark.usefixtures("mine")
def test_a_score_is_one_file(capsys: pytest.CaptureFixture[str]) -> None:
    words = [*SMALL, "data.size=8", "metrics.count=64", "steps=4", "callbacks.checkpoints.keep=2"]
    words += ["callbacks.scores.every=2", "callbacks.scores.max_fraction=1"]
    assert main([*command("metrics=energy callbacks.checkpoints.monitor"), *words, "output=outputs", "name=run"]) == 0
    run = only(Path("outputs/run"))
    trained = json.loads((run / "scores.json").read_text())
    names = {name for name in trained["values"] if not name.endswith("_std")}
    assert names == {"fid_digits", "energy_digits"}
    assert trained["better"] == {"fid_digits": "lower", "energy_digits": "lower"}
    assert trained["protocol"]["energy_most"] == 200
    assert trained["real_test_images"]["values"]["energy_digits"] < trained["values"]["energy_digits"]
    # The checkpoint of the best, a curve, a comparison and the report take it as any other.
    assert (run / "checkpoints" / "best.ckpt").is_file()
    for words in (["checkpoint=all"], [f"against={run}"]):
        assert main(["evaluate", "--plugin", "mine", f"run={run}", "device=cpu", *words]) == 0
    assert "energy_digits" in (run / "scores_by_step.csv").read_text()
    compared = json.loads((run / "comparison.json").read_text())["scores"]["energy_digits"]
    assert (compared["difference"], compared["interval"]) == (0, [0, 0])
    assert main(["report", "--plugin", "mine", f"runs={run}", "out=page"]) == 0
    assert "energy" in Path("page/index.html").read_text()
    # Another score that has a figure of that name would hide it; who does not admit the package gets one message.
    capsys.readouterr()
    evaluate = ["evaluate", f"run={run}", "device=cpu"]
    twice = "metrics.scores=[{_target_: mine.energy.Energy},{_target_: mine.energy.Energy}]"
    assert main([*evaluate, "--plugin", "mine", twice]) == 2
    assert "both have the figure energy" in capsys.readouterr().err
    assert main(evaluate) == 2
    assert "add --plugin mine" in capsys.readouterr().err


@pytest.mark.usefixtures("mine")
def test_nothing_of_it_is_imported_unless_the_command_line_says_so(capsys: pytest.CaptureFixture[str]) -> None:
    words = [*SMALL, "metrics=none", "steps=2", "output=outputs", "name=run"]
    assert main([*command("method=gaussian data=digits data.size=8"), *words]) == 0
    run = only(Path("outputs/run"))
    for name in [name for name in sys.modules if name.partition(".")[0] == "mine"]:
        del sys.modules[name]
    for words in (["sample", f"run={run}"], ["train", f"run={run}", "steps=4"]):
        assert main(words) == 2
        assert "add --plugin mine" in capsys.readouterr().err
    assert main(["method=gaussian"]) == 2
    assert not [name for name in sys.modules if name.partition(".")[0] == "mine"]


def test_the_options_of_a_plugin_are_listed(mine: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["list", "--plugin", "mine"]) == 0
    printed = capsys.readouterr().out
    assert re.search(r"method=gaussian +Pixels as independent", printed)
    assert re.search(r"data=stripes +Stripes at a random angle", printed)
    assert main(["list"]) == 0
    assert "gaussian" not in capsys.readouterr().out


@pytest.mark.usefixtures("mine")
def test_an_option_of_a_name_that_is_taken_is_refused(capsys: pytest.CaptureFixture[str]) -> None:
    Path("mine/conf/data/digits.yaml").write_text("_target_: mine.stripes.Stripes\n")
    assert main(["--plugin", "mine", "--cfg", "data=digits"]) == 2
    assert "has the name of" in capsys.readouterr().err
    Path("mine/conf/data/digits.yaml").unlink()
    Path("mine/conf/data/broken.yaml").write_text("_target_: [a\n")
    assert main(["--plugin", "mine", "data=broken", "steps=2"]) == 2
    assert "broken.yaml can't be read" in capsys.readouterr().err


@pytest.mark.parametrize(
    ("name", "message"),
    [("os", "part of Python"), ("../mine", "name of a package"), ("nowhere_at_all", "no package of this name")],
)
def test_what_is_no_package_of_ones_own(capsys: pytest.CaptureFixture[str], name: str, message: str) -> None:
    assert main(["--plugin", name, "data=digits"]) == 2
    assert message in capsys.readouterr().err
