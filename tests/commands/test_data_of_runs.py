"""Which data a run saw: by content, in the name of its folder, in its manifest, and when it goes on."""

import json
import shutil
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from genbench.__main__ import main
from genbench.methods.adversarial.gan import GAN
from genbench.runs.folder import RunFolder

WORDS = [
    "data=image_folder",
    "network=mlp",
    "network.generator.hidden=[8]",
    "network.discriminator.hidden=[8]",
    "method.latent_dim=4",
    "data.size=8",
    "data.workers=1",
    "data.batch_size=4",
    "metrics=none",
    "trainer.accelerator=cpu",
    "callbacks.grid.count=4",
    "steps=2",
]


def make_pictures(folder: Path, count: int, seed: int) -> Path:
    """Write pictures of noise."""
    random = np.random.default_rng(seed)
    folder.mkdir(parents=True, exist_ok=True)
    for index in range(count):
        Image.fromarray(random.integers(0, 256, (8, 8, 3), dtype=np.uint8)).save(folder / f"{index}.png")
    return folder


def make_classes(root: Path, names: str, seed: int = 0) -> Path:
    """Write a folder with classes of eight pictures."""
    for number, name in enumerate(names.split()):
        make_pictures(root / name, 8, seed + number)
    return root


def manifest_of(run: Path) -> dict:
    return json.loads((run / "manifest.json").read_text())


def runs_of(name: str = "*") -> list[Path]:
    return sorted(Path("outputs").absolute().glob(f"{name}/*"))


def files_of(run: Path) -> dict[Path, bytes]:
    return {path: path.read_bytes() for path in run.rglob("*") if path.is_file()}


def test_a_sweep_over_data_trains_a_run_of_each_and_a_copy_is_the_same(capsys: pytest.CaptureFixture[str]) -> None:
    one, two = make_classes(Path("one"), "a b"), make_classes(Path("two"), "a b", seed=10)
    copy = Path(shutil.copytree(one, "copy", copy_function=shutil.copyfile))
    assert main(["-m", *WORDS, "sweep=x", f"data.root={one},{two}"]) == 0
    first, second = runs_of("x")
    kept = files_of(first) | files_of(second)
    assert main(["-m", *WORDS, "sweep=x", f"data.root={copy},{two},{one}"]) == 0
    assert runs_of("x") == [first, second]
    assert files_of(first) | files_of(second) == kept
    said = capsys.readouterr()
    assert said.out.count("left as it is") == 3
    assert said.err.count("preparing 16 images") == 2
    described = [manifest_of(run)["data"] for run in (first, second)]
    assert described[0]["sha256"] != described[1]["sha256"]
    assert described[0]["parts"] == {
        "train": {"images": 16, "by_class": [8, 8], "sha256": described[0]["parts"]["train"]["sha256"]}
    }


@pytest.fixture
def run(capsys: pytest.CaptureFixture[str]) -> Path:
    """Return a run of two steps on pictures of two classes."""
    assert main([*WORDS, f"data.root={make_classes(Path('one'), 'cat dog')}"]) == 0
    said = capsys.readouterr().out
    assert said.startswith("data: image_folder: train 16 images\nclasses: 0: cat (8), 1: dog (8)\nrun folder: ")
    return runs_of()[0]


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ("other", "train still has 16 images, but their content differs"),
        ("gone", "train had 16 images and has 13"),
        ("added", "train had 16 images and has 17"),
        ("replaced", "train still has 16 images, but their content differs"),
        ("class", "2 classes became 3, with cow"),
        ("split", "there was no test part"),
    ],
)
def test_a_run_goes_on_with_its_own_data_unless_others_are_accepted(
    run: Path, change: str, message: str, capsys: pytest.CaptureFixture[str]
) -> None:
    before, root = files_of(run), Path("one")
    if change == "other":
        root = make_classes(Path("two"), "cat dog", seed=10)
    elif change == "gone":
        for index in range(3):
            (root / "cat" / f"{index}.png").unlink()
    elif change == "added":
        shutil.copyfile(root / "cat" / "1.png", root / "cat" / "8.png")
    elif change == "replaced":
        shutil.copyfile(root / "cat" / "1.png", root / "cat" / "2.png")
    elif change == "class":
        make_pictures(root / "cow", 8, 5)
    else:
        (root / "train").mkdir()
        for name in ("cat", "dog"):
            (root / name).rename(root / "train" / name)
        make_classes(root / "test", "cat dog")
    words = ["train", f"run={run}", "steps=4", f"data.root={root}"]
    assert main(words) == 2
    said = capsys.readouterr().err
    assert message in said
    assert "data.accept_changed=true" in said
    assert len(said.strip().splitlines()) == 1
    assert files_of(run) == before
    assert main([*words, "data.accept_changed=true"]) == 0
    manifest = manifest_of(run)
    assert manifest["steps"] == 4
    assert manifest["data_changed"][0]["sha256"] != manifest["data"]["sha256"]
    assert "accept_changed" not in (run / "config.yaml").read_text()
    # What was accepted is the run's own from now on.
    assert main(["train", f"run={run}", "steps=5"]) == 0


def test_the_same_data_elsewhere_are_the_same(run: Path, capsys: pytest.CaptureFixture[str]) -> None:
    copy = shutil.copytree("one", "copy", copy_function=shutil.copyfile)
    shutil.rmtree("one")
    assert main(["train", f"run={run}", "steps=4", f"data.root={copy}"]) == 0
    assert "preparing" not in capsys.readouterr().err
    assert "data_changed" not in manifest_of(run)
    # Of the files only what was prepared is left.
    shutil.rmtree(copy)
    assert main(["train", f"run={run}", "steps=5", "data.root=one"]) == 0


def test_every_data_set_takes_what_accepts_others(capsys: pytest.CaptureFixture[str]) -> None:
    words = [word for word in WORDS if word.partition("=")[0] not in ("data", "data.workers")]
    assert main(words) == 0
    (run,) = runs_of()
    assert main(["train", f"run={run}", "steps=3", "data.accept_changed=true"]) == 0
    assert "data_changed" not in manifest_of(run)
    assert main(["train", f"run={run}", "steps=4", "data.accept_changed=perhaps"]) == 2
    assert "data.accept_changed must be true or false" in capsys.readouterr().err


def test_other_classes_are_not_accepted_by_networks_that_were_built_for_them(
    capsys: pytest.CaptureFixture[str],
) -> None:
    root = make_classes(Path("one"), "cat dog")
    assert main([*WORDS, "method=cgan", f"data.root={root}"]) == 0
    (run,) = runs_of()
    before = files_of(run)
    make_pictures(root / "cow", 8, 5)
    assert main(["train", f"run={run}", "steps=4", "data.accept_changed=true"]) == 2
    assert "begin a new run: the networks of this one are built for the number" in capsys.readouterr().err
    assert files_of(run) == before


def test_the_manifest_knows_the_data_before_the_end(capsys: pytest.CaptureFixture[str]) -> None:
    root = make_classes(Path("one"), "cat dog")
    words = ["method.generator_optimizer.lr=1e30", "method.discriminator_optimizer.lr=1e30", "callbacks.guard.every=1"]
    assert main([*WORDS, f"data.root={root}", *words, "steps=500"]) == 1
    manifest = manifest_of(runs_of()[0])
    assert (manifest["ended"]["how"], manifest["data"]["classes"]) == ("failed", ["cat", "dog"])


@pytest.mark.parametrize("words", [["trainer.accelerator=tpu"], ["data.root=gone"]])
def test_a_refused_command_leaves_a_run_as_it_was(run: Path, words: list[str]) -> None:
    before = files_of(run)
    if "data.root=gone" in words:
        shutil.rmtree("data")
    assert main(["train", f"run={run}", "steps=4", *words]) != 0
    assert files_of(run) == before
    assert main(["train", f"run={run}", "steps=4"]) == 0
    assert RunFolder(run).finished_steps() == 4


@pytest.mark.parametrize("fails", ["as it is loaded", "in its first step"])
def test_a_session_that_fails_before_its_first_checkpoint_leaves_a_run_as_it_was(
    run: Path, fails: str, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    before = files_of(run)

    def fail(*arguments: object, **settings: object) -> None:
        raise RuntimeError("two devices are one too many")

    with monkeypatch.context() as patch:
        patch.setattr(GAN, "load_state_dict" if fails == "as it is loaded" else "training_step", fail)
        assert main(["train", f"run={run}", "steps=4", "trainer.log_every_n_steps=3"]) == 1
    said = capsys.readouterr().err
    assert f"go on with: python -m genbench train run={run}" in said
    assert {path: content for path, content in files_of(run).items() if path.name != "error.txt"} == before
    assert main(["train", f"run={run}", "steps=4"]) == 0
    assert "log_every_n_steps: 50" in (run / "config.yaml").read_text()


@pytest.mark.parametrize(
    "words",
    [
        ["data.batch_size=100"],
        ["data.root=nowhere"],
        ["callbacks.grid.every=0"],
        ["trainer.accelerator=tpu"],
        ["trainer.limit_train_batches=0"],
    ],
)
@pytest.mark.parametrize("sweep", [[], ["sweep=x"]])
def test_a_refused_command_leaves_no_run_behind(
    words: list[str], sweep: list[str], capsys: pytest.CaptureFixture[str]
) -> None:
    root = make_classes(Path("one"), "cat dog")
    if words[0].startswith("trainer"):
        words = [f"+{words[0]}"] if "limit" in words[0] else words
    assert main([*WORDS, f"data.root={root}", *sweep, *words]) != 0
    assert not Path("outputs").exists()
    assert "run folder" not in capsys.readouterr().out


def test_a_run_knows_its_classes_without_its_data(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    make_classes(Path("one"), " ".join(str(number) for number in range(1, 12)))
    (Path("one") / "11").rename(Path("one") / "owl")
    assert main([*WORDS, "method=cgan", "data.root=one"]) == 0
    (run,) = runs_of()
    assert manifest_of(run)["data"]["classes"] == [*(str(number) for number in range(1, 11)), "owl"]
    shutil.rmtree("one")
    shutil.rmtree("data")
    (tmp_path / "away").mkdir()
    monkeypatch.chdir(tmp_path / "away")
    drawn = {}
    for label in ("10", "owl", "9", None):
        out = tmp_path / f"of_{label}"
        words = [] if label is None else [f"label={label}"]
        assert main(["sample", f"run={run}", "count=11", "device=cpu", f"out={out}", *words]) == 0
        drawn[label] = (out / "images" / "000010.png").read_bytes()
    assert drawn["10"] == drawn["owl"] == drawn[None]
    assert drawn["9"] != drawn["10"]
    assert not list((tmp_path / "away").iterdir())
    capsys.readouterr()
    for label, message in (
        ("ow", "no class of this name; did you mean owl?"),
        ("11", "classes 0 to 10"),
        ("-1", "classes 0 to 10"),
    ):
        assert main(["sample", f"run={run}", "device=cpu", f"label={label}"]) == 2
        assert message in capsys.readouterr().err


def test_a_run_of_an_earlier_version_keeps_its_numbers(capsys: pytest.CaptureFixture[str]) -> None:
    root = make_classes(Path("one"), "1 2 10")
    assert main([*WORDS, "method=cgan", f"data.root={root}"]) == 0
    (run,) = runs_of()
    # Earlier versions kept no names of classes, and sorted 10 before 2.
    (run / "manifest.json").write_text(json.dumps({"steps": 2, "data": {"name": "image_folder"}}))
    (run / "condition.json").unlink()
    capsys.readouterr()
    assert main(["train", f"run={run}", "steps=3"]) == 0
    assert "classes: 0: 1 (8), 1: 10 (8), 2 (8)" in capsys.readouterr().out
    assert main(["train", f"run={run}", "steps=4"]) == 0
    assert manifest_of(run)["data"]["classes"] == ["1", "10", "2"]
    assert json.loads((run / "condition.json").read_text())["condition"]["names"] == ["1", "10", "2"]


def test_a_reference_of_pictures_is_the_whole_folder(capsys: pytest.CaptureFixture[str]) -> None:
    for name, seed in (("reference", 0), ("samples", 1)):
        make_pictures(Path(name), 20, seed)
    small = ["metrics=digits", "metrics.scores=[fid]", "data.size=8", "data.channels=1", "data.workers=1", "device=cpu"]
    assert main(["evaluate", "images=samples", "data=image_folder", "data.root=reference", *small]) == 0
    protocol = json.loads(Path("samples.scores.json").read_text())["protocol"]
    assert protocol["reference_count"] == 20
    assert protocol["reference_images"] == "all images of the folder, which has no folder of test images"
