"""`prepare`, and training on data as they are distributed, as a user would run them."""

import json
import os
from collections.abc import Callable
from pathlib import Path

import pytest
import torch
from PIL import Image

from genbench.__main__ import main
from genbench.runs.folder import RunFolder
from tests.data.distributed import make_celeba, make_cifar10, make_folder, make_lsun, make_pairs

WGAN = [
    "experiment=wgan_lsun",
    "network=mlp",
    "network.generator.hidden=[8]",
    "network.discriminator.hidden=[8]",
    "method.discriminator_steps=2",
    "method.long_steps=3",
    "method.long_first=1",
    "data.size=16",
    "data.batch_size=8",
    "data.workers=1",
    "trainer.accelerator=cpu",
    "callbacks.grid.count=4",
]


@pytest.fixture
def here(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Return an empty working directory."""
    folder = tmp_path / "here"
    folder.mkdir()
    monkeypatch.chdir(folder)
    return folder


def state_of(run: Path) -> dict[str, torch.Tensor]:
    state: dict[str, torch.Tensor] = RunFolder.open(str(run)).load_checkpoint("last")["state_dict"]
    return state


def test_prepare_says_what_it_made_and_writes_nothing_else(here: Path, capsys: pytest.CaptureFixture[str]) -> None:
    make_celeba(here.parent / "data")
    assert main(["prepare", "data=celeba", f"data.root={here.parent / 'data'}", "data.size=16", "data.workers=1"]) == 0
    said = capsys.readouterr()
    assert "celeba, 16 x 16, crop 178, filter bilinear" in said.out
    for split in ("train", "val", "test"):
        assert f"{split}: data/prepared/celeba-{split}-16-" in said.out
    assert "preparing 16 images of" in said.err
    assert os.listdir(here) == ["data"]
    assert main(["prepare", "data=celeba", f"data.root={here.parent / 'data'}", "data.size=16", "split=val"]) == 0
    again = capsys.readouterr()
    assert "val: data/prepared" in again.out
    assert "test: " not in again.out
    assert "preparing" not in again.err


@pytest.mark.usefixtures("here")
@pytest.mark.parametrize(
    ("words", "message"),
    [
        ([], "prepare needs data=...; there is captioned_digits, captioned_folder,"),
        (["data=lsun"], "did you mean lsun_bedroom?"),
        (
            ["data=celeba", "data.crop=square"],
            "data.crop must be one of crop_then_resize, resize_then_crop, stretch, ddim or",
        ),
        (["data=celeba", "data.on_error=ignore"], "data.on_error must be one of stop, skip"),
        (["data=celeba", "data.root=nowhere"], "1,443,490,838 bytes"),
        (["data=lsun_bedroom", "data.root=nowhere"], "45,922,737,680 bytes"),
        (["data=image_folder", "data.root=nowhere"], "holds no image"),
        (["data=digits", "split=train", "data.size=4"], "data.size"),
    ],
)
def test_mistakes_are_said_in_one_line(words: list[str], message: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["prepare", *words]) == 2
    said = capsys.readouterr()
    assert message in said.err
    assert len(said.err.strip().splitlines()) == 1


def test_what_is_small_needs_no_preparing(here: Path, capsys: pytest.CaptureFixture[str]) -> None:
    make_cifar10(here)
    assert main(["prepare", "data=cifar10", f"data.root={here}"]) == 0
    assert "cifar10 is read as it is" in capsys.readouterr().out


def test_small_data_are_read_before_they_are_called_fine(here: Path, capsys: pytest.CaptureFixture[str]) -> None:
    raw = here / "MNIST" / "raw"
    raw.mkdir(parents=True)
    for name in ("train-images-idx3", "train-labels-idx1", "t10k-images-idx3", "t10k-labels-idx1"):
        (raw / f"{name}-ubyte.gz").write_bytes(b"garbage")
    assert main(["prepare", "data=mnist", f"data.root={here}"]) == 2
    assert "train-images-idx3-ubyte.gz can't be read" in capsys.readouterr().err
    for word in ("data=edges2digits", "data=two_domains"):
        assert main(["prepare", word, f"data.root={here}"]) == 2
    (here / "cifar-10-python.tar.gz").write_bytes(b"garbage")
    assert main(["prepare", "data=cifar10", f"data.root={here}"]) == 2
    said = capsys.readouterr()
    assert "cifar-10-python.tar.gz can't be read" in said.err
    assert "nothing to prepare" not in said.out
    assert main(["prepare", "data=digits", "split=val"]) == 2
    assert "digits has no val split, only train, test" in capsys.readouterr().err


@pytest.mark.parametrize("verb", ["prepare", "train"])
def test_a_misspelt_attribute_is_refused_before_any_image_is_decoded(
    here: Path, verb: str, capsys: pytest.CaptureFixture[str]
) -> None:
    root = make_celeba(here.parent / "data", images=lambda index: b"no picture")
    words = WGAN if verb == "train" else ["data.size=16"]
    assert main([verb, *words, "data=celeba", f"data.root={root}", "data.attributes=[Male,Smilng]"]) == 2
    said = capsys.readouterr().err
    assert "data.attributes: CelebA has no 'Smilng'; did you mean Smiling?" in said
    assert "preparing" not in said
    assert not list(here.rglob("*.json"))


def test_what_was_understood_is_listed_before_it_is_prepared(here: Path, capsys: pytest.CaptureFixture[str]) -> None:
    for name in ("train/cat", "train/dog", "valid/cat"):
        make_folder(here.parent / "images" / name, 3)
    words = ["data=image_folder", f"data.root={here.parent / 'images'}", "data.size=16", "data.workers=1"]
    assert main(["prepare", *words]) == 0
    said = capsys.readouterr().out
    assert said.startswith("data: image_folder: train 6 images (train/), test 3 images (valid/)\n")
    assert "classes: 0: cat (3 + 3), 1: dog (3 + 0)\n" in said


def test_wgan_lsun_runs_from_the_distributed_files_to_samples(here: Path, capsys: pytest.CaptureFixture[str]) -> None:
    root = make_lsun(here.parent / "lsun")
    assert main([*WGAN, f"data.root={root}", "steps=12"]) == 0
    (run,) = (here / "outputs" / "wgan_lsun").iterdir()
    assert sorted(os.listdir(here)) == ["data", "outputs"]
    assert main(["sample", f"run={run}", "count=4", "device=cpu"]) == 0
    assert len(list(run.rglob("images/*.png"))) == 4
    critic = [value for name, value in state_of(run).items() if name.startswith("discriminator.")]
    assert max(value.abs().max() for value in critic) <= 0.01
    capsys.readouterr()
    assert main(["evaluate", f"run={run}"]) == 2
    assert "metrics=none" in capsys.readouterr().err


def test_a_run_on_shards_goes_on_in_mid_epoch_to_the_same_bits(here: Path) -> None:
    root = make_lsun(here.parent / "lsun")
    common = [*WGAN, f"data.root={root}", "data.shuffle=blocks", "data.flip=true"]
    assert main([*common, "steps=11", "name=whole"]) == 0
    assert main([*common, "steps=4", "name=cut"]) == 0
    (whole,), (cut,) = (list((here / "outputs" / name).iterdir()) for name in ("whole", "cut"))
    assert main(["train", f"run={cut}", "steps=11", "data.workers=2"]) == 0
    first, second = state_of(whole), state_of(cut)
    assert first.keys() == second.keys()
    assert all(torch.equal(first[name], second[name]) for name in first)


def test_two_processes_prepare_once_and_train_on_their_shares(
    here: Path, command_line: Callable[..., object], free_port: int
) -> None:
    root = make_lsun(here.parent / "lsun")
    environment = {**os.environ, "MASTER_PORT": str(free_port), "OMP_NUM_THREADS": "1"}
    done = command_line(
        *WGAN, f"data.root={root}", "steps=6", "trainer=ddp", "trainer.accelerator=cpu", "trainer.devices=2",
        cwd=here, env=environment,
    )  # fmt: skip
    assert done.returncode == 0, done.stderr  # type: ignore[attr-defined]
    assert done.stderr.count("preparing 24 images") == 1  # type: ignore[attr-defined]


@pytest.mark.parametrize("experiment", ["wgan_lsun", "dcgan_lsun", "dcgan_celeba"])
def test_the_papers_settings_run_at_their_resolution(here: Path, experiment: str) -> None:
    """Networks, sizes and optimizers as they are; only the batch is small, as the data are."""
    root = make_celeba(here.parent / "data") if "celeba" in experiment else make_lsun(here.parent / "data")
    small = ["data.batch_size=4", "data.workers=1", "trainer.accelerator=cpu", "callbacks.grid.count=4", "steps=2"]
    assert main([f"experiment={experiment}", f"data.root={root}", *small]) == 0
    (run,) = (here / "outputs" / experiment).iterdir()
    assert main(["sample", f"run={run}", "count=2", "device=cpu"]) == 0
    with Image.open(next(iter(sorted(run.rglob("images/*.png"))))) as image:
        assert (image.size, image.mode) == ((64, 64), "RGB")
    # Figure 1 of the DCGAN paper begins with 1024 channels of 4 x 4; WGAN's code with half of them.
    channels = 512 if experiment == "wgan_lsun" else 1024
    assert state_of(run)["generator.project.1.weight"].shape == (100, channels, 4, 4)


@pytest.mark.parametrize("data", ["celeba", "cifar10", "image_folder"])
def test_other_data_sets_train_as_well(here: Path, data: str) -> None:
    root = here.parent / "data"
    if data == "celeba":
        make_celeba(root)
    elif data == "cifar10":
        make_cifar10(root)
    else:
        make_folder(root, 20)
    settings = [word for word in WGAN if data != "cifar10" or not word.startswith("data.workers")]
    settings = [*settings, f"data={data}", f"data.root={root}", "steps=3", f"name={data}"]
    assert main(settings) == 0
    (run,) = (here / "outputs" / data).iterdir()
    manifest = json.loads((run / "manifest.json").read_text())
    assert (manifest["images"], manifest["data"]["name"]) == (24, data)
    if data == "celeba":
        assert manifest["data"]["preparation"]["crop"] == 178
        assert set(manifest["data"]["stores"]) == {"train", "test"}


def test_pairs_are_prepared_for_methods_to_come(here: Path, capsys: pytest.CaptureFixture[str]) -> None:
    make_pairs(here.parent / "pairs")
    words = ["data=paired_folder", f"data.root={here.parent / 'pairs'}", "data.size=16", "data.workers=1"]
    assert main(["prepare", *words]) == 0
    assert "test: data/prepared/paired_folder-test-16-" in capsys.readouterr().out


def test_a_run_that_goes_on_may_have_its_data_elsewhere(here: Path, capsys: pytest.CaptureFixture[str]) -> None:
    root = make_lsun(here.parent / "lsun")
    assert main([*WGAN, f"data.root={root}", "steps=2"]) == 0
    (run,) = (here / "outputs" / "wgan_lsun").iterdir()
    moved = root.rename(here.parent / "elsewhere")
    capsys.readouterr()
    assert main(["train", f"run={run}", "steps=4", f"data.root={moved}", "data.prepared=other"]) == 0
    assert f"preparing 24 images of {moved}" in capsys.readouterr().err
    for word, message in [
        ("data.size=32", "data.size can't change"),
        ("data.workers=few", "data.workers must be a whole number or null"),
    ]:
        assert main(["train", f"run={run}", "steps=6", word]) == 2
        assert message in capsys.readouterr().err
