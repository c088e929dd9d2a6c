"""Translation among domains from the command line: trained, asked for a target, shown as a table, and scored."""

import json
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from genbench.__main__ import main
from tests.commands.test_adversarial_family import METHODS, SMALL
from tests.data.test_emoji_domains import make_toned_package

NETWORKS = {
    "stargan": ["network.generator.width=4", "network.generator.blocks=1", "network.discriminator.width=4"],
    "stargan_v2": [
        *(f"network.{name}.width=128" for name in ("generator", "discriminator", "style_encoder")),
        "network.mapping.width=8", "method.style_dim=4",
    ],
}  # fmt: skip


def train(tmp_path: Path, method: str, *words: str) -> Path:
    make_toned_package(tmp_path / "emoji")
    words = (*NETWORKS[method], "steps=2", "data.batch_size=8", "data.test_every=3", *words)
    place = [f"data.root={tmp_path / 'emoji'}", f"data.prepared={tmp_path / 'prepared'}", "data.workers=1"]
    small = ["metrics.count=10", "trainer.accelerator=cpu", "callbacks.grid.count=12", f"output={tmp_path}"]
    assert main([f"experiment={method}_emoji", *words, *place, *small]) == 0
    (run,) = (tmp_path / f"{method}_emoji").iterdir()
    return run


def drawn(folder: Path) -> np.ndarray:
    return np.stack([np.asarray(Image.open(path)) for path in sorted((folder / "images").iterdir())])


def own_images(folder: Path, count: int) -> Path:
    folder.mkdir()
    for number in range(count):
        Image.new("RGB", (32, 32), (80 * number, 20, 200)).save(folder / f"{number}.png")
    return folder


@pytest.mark.parametrize("method", sorted(NETWORKS))
def test_ones_own_images_are_translated_into_a_domain_or_into_all(
    tmp_path: Path, method: str, capsys: pytest.CaptureFixture[str]
) -> None:
    run = train(tmp_path, method)
    mine = own_images(tmp_path / "mine", 3)

    def sample(name: str, *words: str) -> np.ndarray:
        assert main(["sample", f"run={run}", "device=cpu", f"out={tmp_path / name}", *words]) == 0
        return drawn(tmp_path / name)

    every = sample("every", f"sources={mine}")
    assert every.shape == (18, 32, 32, 3)
    dark = sample("dark", f"sources={mine}", "target=dark")
    assert dark.shape == (3, 32, 32, 3)
    assert np.array_equal(dark, sample("fifth", f"sources={mine}", "target=5"))
    if method == "stargan":
        # Without noise a translation is the same in whatever set it is.
        assert np.array_equal(dark, every[5::6])
    # Without sources the first held-out ones, each in all domains or in one; a table of rows of 1 + 6.
    assert sample("held_out", "count=12").shape == (12, 32, 32, 3)
    assert sample("held_out_dark", "count=2", "target=dark").shape == (2, 32, 32, 3)
    # No source twice, though of pairs each is there once for each of its targets.
    assert 2 <= len(sample("different", "count=40", "target=dark")) < 40
    with Image.open(tmp_path / "every" / "grid.png") as grid:
        assert grid.width == 7 * 66 + 2
    with Image.open(tmp_path / "held_out" / "grid.png") as grid:
        assert grid.width == 7 * 66 + 2
    capsys.readouterr()
    for words, message in (
        (["target=drak"], "target=drak: there is no class of this name; did you mean dark?"),
        (["label=3"], "label=3 has no effect"),
        (["back=true"], "knows no way back"),
        ([f"sources={tmp_path / 'none'}"], "none"),
    ):
        assert main(["sample", f"run={run}", "device=cpu", *words]) == 2
        said = capsys.readouterr().err
        assert message in said
        assert said.count("\n") == 1


def test_a_run_of_pairs_has_true_translations_and_is_scored_by_them(tmp_path: Path) -> None:
    run = train(tmp_path, "stargan")
    assert json.loads((run / "condition.json").read_text())["condition"]["drawn"] is False
    assert main(["evaluate", f"run={run}", "device=cpu", "metrics=domains", "metrics.count=20"]) == 0
    found = json.loads((run / "scores.json").read_text())
    assert {"target_domain_colours", "target_domain_real_colours", "kept_identity", "mae"} <= set(found["values"])
    assert found["protocol"]["translation_split"] == "test"


@pytest.mark.parametrize("method", ["stargan", "stargan_v2"])
def test_a_run_of_classes_has_drawn_targets_and_none_true(
    tmp_path: Path, method: str, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main([*METHODS[method], *SMALL, "steps=2", f"output={tmp_path}"]) == 0
    (run,) = (tmp_path / f"{method}_digits").iterdir()
    assert json.loads((run / "condition.json").read_text())["condition"]["drawn"] is True
    assert main(["evaluate", f"run={run}", "device=cpu"]) == 0
    found = json.loads((run / "scores.json").read_text())["values"]
    assert {"target_domain_digits", "target_domain_real_digits"} <= set(found)
    assert not {"mae", "kept_identity"} & set(found)
    assert main(["sample", f"run={run}", "device=cpu", "count=4", "target=7", f"out={tmp_path / 'seven'}"]) == 0
    assert len(list((tmp_path / "seven" / "images").iterdir())) == 4
    capsys.readouterr()
    assert main(["sample", f"run={run}", "device=cpu", "prompt=7"]) == 2
    assert "takes target= and sources=" in capsys.readouterr().err


def test_images_take_the_style_of_others(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    run = train(tmp_path, "stargan_v2")
    mine, like = own_images(tmp_path / "mine", 2), own_images(tmp_path / "like", 2)
    words = ["edit", "editor=restyle", f"run={run}", "device=cpu", f"images={mine}", f"others={like}"]
    assert main([*words, "editor.target=dark", f"out={tmp_path / 'edit'}"]) == 0
    pictures = sorted((tmp_path / "edit" / "pictures").iterdir())
    assert [Image.open(path).size for path in pictures] == [(32, 32)] * 2
    assert (tmp_path / "edit" / "grid.png").is_file()
    capsys.readouterr()
    assert main(words) == 2
    assert "set editor.target=NAME" in capsys.readouterr().err
    assert main([*words, "editor.target=drak"]) == 2
    assert "did you mean dark" in capsys.readouterr().err
