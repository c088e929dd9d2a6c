"""`import`: a run folder of published weights, by sources made up here."""

import re
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from PIL import Image

from genbench.__main__ import main
from genbench.published import sources
from genbench.published.source import Archive, Published, Source
from genbench.runs.folder import RunFolder
from tests.commands.small_runs import TINY, UNET, run_of

STEPS = 123


class Laboratory(Source):
    """Published as {"net": raw weights, "ema": averaged weights, "width": N}."""

    title = "a laboratory's U-Nets"

    def recognises(self, archive: Archive) -> bool:
        return isinstance(archive.content, dict) and "net" in archive.content

    def convert(self, archive: Archive) -> Published:
        settings = {
            "network.denoiser.width": archive.content["width"],
            "network.denoiser.multipliers": [1],
            "network.denoiser.attention": [],
            "data.size": 8,
            "sampler": "dpm_solver",
        }
        weights = {"denoiser": archive.content["net"]}
        averages = {"denoiser": archive.content["ema"]}
        return Published("ddpm_digits", settings, weights, averages, step=STEPS)


class Generators(Source):
    """Published as the state dictionary of one GAN's generator."""

    title = "a laboratory's generators"

    def recognises(self, archive: Archive) -> bool:
        return isinstance(archive.content, dict) and "project.1.weight" in archive.content

    def convert(self, archive: Archive) -> Published:
        return Published("gan_digits", {}, {"generator": archive.content})


@pytest.fixture(autouse=True)
def laboratory(monkeypatch: pytest.MonkeyPatch) -> None:
    """Add the sources to those that can be chosen."""
    made = {"laboratory": Laboratory, "generators": Generators}
    make, names = sources.make, sources.names
    monkeypatch.setattr(sources, "names", lambda: [*names(), *made])
    monkeypatch.setattr(sources, "make", lambda name: made[name]() if name in made else make(name))


@pytest.fixture(scope="module")
def trained(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A run whose weights are published."""
    words = ["experiment=ddpm_digits", *TINY, *UNET, "sampler=dpm_solver", "steps=3"]
    return run_of(tmp_path_factory.mktemp("runs"), "tiny", *words)


def content_of(run: Path) -> dict[str, Any]:
    state = RunFolder(run).load_checkpoint()["state_dict"]
    nets = {
        name: {key.removeprefix(prefix): value for key, value in state.items() if key.startswith(prefix)}
        for name, prefix in (("net", "denoiser."), ("ema", "average.module."))
    }
    return {**nets, "width": 8}


@pytest.fixture
def published(trained: Path, tmp_path: Path) -> Path:
    torch.save(content_of(trained), tmp_path / "unet.pt")
    return tmp_path / "unet.pt"


def refused(capsys: pytest.CaptureFixture[str], *words: object) -> str:
    """Return the one line by which an import is refused."""
    assert main(["import", *map(str, words)]) == 2
    (line,) = capsys.readouterr().err.strip().splitlines()
    return line


def drawn(run: Path) -> list[np.ndarray]:
    assert main(["sample", f"run={run}", "count=4", "seed=3", "device=cpu", f"out={run.name}_drawn"]) == 0
    return [np.asarray(Image.open(path)) for path in sorted(Path(f"{run.name}_drawn", "images").iterdir())]


def test_an_imported_run_draws_what_the_published_one_does(trained: Path, published: Path) -> None:
    assert main(["import", f"path={published}", "source=laboratory", "out=imported"]) == 0
    assert all(map(np.array_equal, drawn(Path("imported")), drawn(trained)))


def test_raw_and_averaged_weights_are_kept_apart(trained: Path, published: Path) -> None:
    assert main(["import", f"path={published}", "out=imported"]) == 0
    content = RunFolder("imported").load_checkpoint()
    assert content["global_step"] == STEPS
    state, expected = content["state_dict"], RunFolder(trained).load_checkpoint()["state_dict"]
    assert all(torch.equal(state[name], expected[name]) for name in state if not name.endswith("n_averaged"))
    assert not torch.equal(state["denoiser.from_image.weight"], state["average.module.from_image.weight"])


def test_it_is_scored_edited_reported_exported_and_begun_with_like_any_run(published: Path, capsys: Any) -> None:
    assert main(["import", f"path={published}", "out=imported", "licence=apache-2.0"]) == 0
    assert "imported from laboratory: denoiser of" in capsys.readouterr().out
    assert main(["evaluate", "run=imported", "count=32", "device=cpu"]) == 0
    assert (
        main(["edit", "editor=inpaint", "run=imported", "mask=center", "count=2", "sampler.steps=2", "device=cpu"]) == 0
    )
    assert main(["report", "runs=imported", "out=page"]) == 0
    page = Path("page/index.html").read_text()
    assert "imported from laboratory" in page
    assert f"genbench import path={published}" in page
    assert main(["export", "run=imported", "path=exported"]) == 0
    card = Path("exported/README.md").read_text()
    assert "license: apache-2.0" in card
    assert re.search(r"source laboratory: unet.pt \(SHA-256 [0-9a-f]{64}\)", card)
    words = ["experiment=ddpm_digits", *TINY, *UNET, "init=imported", "steps=1", "output=new", "name=new"]
    assert main(words) == 0
    assert "initialised from" in capsys.readouterr().out


def test_without_a_place_it_goes_where_published_runs_lie(published: Path) -> None:
    assert main(["import", f"path={published}", "source=laboratory"]) == 0
    assert RunFolder("outputs/published/unet").read_manifest()["imported"]["source"] == "laboratory"


def test_it_can_not_be_trained_on_without_the_state_of_its_optimizer(published: Path, capsys: Any) -> None:
    assert main(["import", f"path={published}", "out=imported"]) == 0
    assert main(["train", "run=imported", "steps=200"]) == 2
    assert "init=" in capsys.readouterr().err


def test_settings_of_the_experiment_can_be_set(published: Path, tmp_path: Path) -> None:
    words = [f"path={published}", "out=imported", f"data.root={tmp_path / 'a, b'}", "data=mnist", "sampler=ddim"]
    assert main(["import", *words, "sampler.steps=7"]) == 0
    config = RunFolder("imported").read_config()
    assert config.data.root == str(tmp_path / "a, b")
    assert (config.sampler._target_.rpartition(".")[2], config.sampler.steps) == ("ddim", 7)
    assert config.method.sampler == config.sampler


def test_what_the_file_lacks_is_as_it_was_initialised(tmp_path: Path, capsys: Any) -> None:
    run = run_of(tmp_path, "gan", "experiment=gan_digits", "callbacks.grid=null", "callbacks.scores=null", "steps=1")
    capsys.readouterr()
    state = RunFolder(run).load_checkpoint()["state_dict"]
    prefix = "average.module."
    generator = {key.removeprefix(prefix): value for key, value in state.items() if key.startswith(prefix)}
    torch.save(generator, tmp_path / "netG.pth")
    for out, seed in (("a", 0), ("b", 0), ("c", 1)):
        assert main(["import", f"path={tmp_path / 'netG.pth'}", f"out={out}", f"seed={seed}"]) == 0
        assert "not in the file, and as it was initialised: discriminator" in capsys.readouterr().out
    states = [RunFolder(out).load_checkpoint()["state_dict"] for out in "abc"]
    assert torch.equal(states[2]["generator.project.1.weight"], generator["project.1.weight"])
    critics = [{key: value for key, value in state.items() if key.startswith("discriminator.")} for state in states]
    assert all(torch.equal(critics[0][key], critics[1][key]) for key in critics[0])
    assert not all(torch.equal(critics[0][key], critics[2][key]) for key in critics[0])


def test_a_file_that_does_not_fit_is_said_to_and_leaves_nothing(trained: Path, tmp_path: Path, capsys: Any) -> None:
    content = content_of(trained)
    cases = {
        "lacks 1: from_image.bias": {key: value for key, value in content["net"].items() if key != "from_image.bias"},
        "has besides 1: more": content["net"] | {"more": torch.zeros(1)},
        r"has of another shape 1: from_image.bias \(9,\) instead of \(8,\)": content["net"]
        | {"from_image.bias": torch.zeros(9)},
    }
    for said, net in cases.items():
        torch.save(content | {"net": net}, tmp_path / "x.pt")
        line = refused(capsys, f"path={tmp_path / 'x.pt'}", "out=imported")
        assert re.search(f"does not fit the denoiser of experiment=ddpm_digits.*{said}", line)
        assert not Path("imported").exists()


def test_an_experiment_of_another_method_is_refused(published: Path, capsys: Any) -> None:
    line = refused(capsys, f"path={published}", "experiment=vae_digits", "out=imported")
    assert "experiment=vae_digits does not go with the file, which is like experiment=ddpm_digits" in line
    line = refused(capsys, f"path={published}", "experiment=nothing_digits", "out=imported")
    assert "there is no experiment 'nothing_digits'" in line


def test_a_file_of_another_source_is_named(published: Path, capsys: Any) -> None:
    line = refused(capsys, f"path={published}", "source=generators")
    assert "is not of source=generators (a laboratory's generators): it seems to be of source=laboratory" in line
    line = refused(capsys, f"path={published}", "source=laboratries")
    assert "there is no such source; did you mean laboratory" in line


def test_an_unknown_file_is_described_with_the_sources_there_are(tmp_path: Path, capsys: Any) -> None:
    torch.save({"conv.weight": torch.zeros(3, 4), "conv.bias": torch.zeros(3)}, tmp_path / "x.pt")
    line = refused(capsys, f"path={tmp_path / 'x.pt'}")
    assert "it holds 2 tensors, the first conv.weight (3, 4), conv.bias (3,)" in line
    assert "laboratory (a laboratory's U-Nets)" in line


def test_a_damaged_file_no_file_and_a_full_place_are_refused(published: Path, tmp_path: Path, capsys: Any) -> None:
    published.write_bytes(published.read_bytes()[:5000])
    assert "cut short or damaged" in refused(capsys, f"path={published}")
    assert "cut short or damaged" in refused(capsys, f"path={published}", "source=laboratory")
    assert "is not there" in refused(capsys, f"path={tmp_path / 'nothing.pt'}")
    Path("full").mkdir()
    Path("full/notes").touch()
    assert "full is there already" in refused(capsys, f"path={published}", "out=full")
    assert [path.name for path in Path("full").iterdir()] == ["notes"]


HOSTILE = [
    "{_target_: pathlib.Path.touch, self: {_target_: pathlib.Path, _args_: [ran]}}",
    "${oc.env:HOME}",
    "a,b",
    [16, "{_target_: os.mkdir, path: ran}"],
    [[1]],
    {"_target_": "os.mkdir", "path": "ran"},
    10**9,
    float("inf"),
    [1] * 100_000,
]


@pytest.mark.parametrize("value", HOSTILE, ids=lambda value: str(value)[:20])
def test_what_a_file_says_of_its_network_builds_nothing(
    value: Any, published: Path, trained: Path, tmp_path: Path, capsys: Any
) -> None:
    torch.save(content_of(trained) | {"width": value}, tmp_path / "x.pt")
    line = refused(capsys, f"path={tmp_path / 'x.pt'}", "out=imported")
    assert "the file sets network.denoiser.width=" in line
    assert not Path("ran").exists()
    assert not Path("imported").exists()


def test_settings_that_a_file_has_are_known_classes_alone(published: Path, capsys: Any) -> None:
    line = refused(capsys, f"path={published}", "out=imported", "method.process._target_=pathlib.Path")
    assert "is not trusted" in line or "pathlib.Path" in line
    assert not Path("imported").exists()


def test_whatever_a_damaged_file_leads_to_is_one_message(published: Path, tmp_path: Path, capsys: Any) -> None:
    torch.save({"net": {}}, tmp_path / "x.pt")
    line = refused(capsys, f"path={tmp_path / 'x.pt'}", "source=laboratory")
    assert "is damaged, or not quite of source=laboratory: KeyError" in line
    for content in ({0: torch.zeros(2)}, {"model": {0: torch.zeros(2)}, "ema": {}, "step": 1}, [torch.zeros(2)]):
        torch.save(content, tmp_path / "y.pt")
        assert "of no kind that is known" in refused(capsys, f"path={tmp_path / 'y.pt'}")
    assert not Path("error.txt").exists()


def test_weights_that_are_no_numbers_are_refused(trained: Path, tmp_path: Path, capsys: Any) -> None:
    content = content_of(trained)
    content["net"]["from_image.bias"] = torch.full((8,), float("nan"))
    torch.save(content, tmp_path / "x.pt")
    line = refused(capsys, f"path={tmp_path / 'x.pt'}")
    assert "no finite numbers, in from_image.bias" in line


def test_a_folder_of_something_else_is_refused_in_a_few_words(tmp_path: Path, capsys: Any) -> None:
    (tmp_path / "photos").mkdir()
    for number in range(5):
        (tmp_path / f"photos/{number}.jpg").touch()
    line = refused(capsys, f"path={tmp_path / 'photos'}")
    assert "no source knows: it holds 0.jpg, 1.jpg, 2.jpg, .... Say source=SOURCE" in line
    assert "config.json" not in line


def test_a_folder_that_can_not_be_read_is_said_why(tmp_path: Path, capsys: Any) -> None:
    (tmp_path / "model").mkdir()
    (tmp_path / "model/config.json").write_text("{}")
    (tmp_path / "model/diffusion_pytorch_model.safetensors").write_bytes(b"\x10\0\0\0\0\0\0\0{")
    line = refused(capsys, f"path={tmp_path / 'model'}")
    assert re.search("source=diffusers: .*cut short or damaged", line)
