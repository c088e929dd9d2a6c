"""Alignment of pictures of scenes with captions."""

import pytest
import torch
from torch import Tensor

from genbench.conditions.base import Conditions
from genbench.data.scenes import Scenes
from genbench.medium import Images
from genbench.metrics.evaluator import Evaluator
from genbench.metrics.extractors.digits import load_digit_classifier
from genbench.metrics.material import Material
from genbench.metrics.scene_reading import read_scenes
from genbench.metrics.score import Setting
from genbench.metrics.scores.alignment import Alignment, compare
from genbench.text.scenes import COLOURS, Scene, Thing, caption

COUNT = 300
FIGURES = ("digit", "colour", "background", "size", "relation", "all", "all_one", "all_two")


@pytest.fixture(scope="module")
def data() -> Scenes:
    return Scenes(count=1, held_out=COUNT)


def aligned(data: Scenes, pictures: Tensor, split: str = "test") -> dict[str, float]:
    rows = data.store(split).conditions
    assert rows is not None
    assert data.condition is not None
    material = Material(len(pictures), samples=pictures, conditions=Conditions(data.condition, rows[: len(pictures)]))
    found = Alignment().compute(material)
    return {name: found[f"alignment_{name}"] for name in FIGURES if f"alignment_{name}" in found}


@pytest.mark.parametrize("split", ["test", "unseen"])
@pytest.mark.parametrize("size", [32, 64])
def test_real_scenes_are_read_as_they_are(size: int, split: str) -> None:
    data = Scenes(count=1, held_out=COUNT, size=size)
    figures = aligned(data, data.store(split).samples[:], split)
    assert set(figures) == set(FIGURES)
    assert min(figures.values()) >= 0.98
    # Colours and places leave nothing to a classifier.
    assert min(figures[name] for name in ("colour", "background", "relation")) == 1


def test_everything_right_is_counted_by_the_number_of_digits_too(data: Scenes) -> None:
    pictures = data.store("test").samples[:].clone()
    two = torch.tensor([len(scene.things) == 2 for scene in data.scenes("test")])
    pictures[two] = 0
    figures = aligned(data, pictures)
    assert figures["all_two"] == 0
    assert figures["all_one"] >= 0.98
    assert figures["all"] == pytest.approx(figures["all_one"] * float((~two).double().mean()))


def test_noise_of_a_few_levels_and_shifted_colours_change_little(data: Scenes) -> None:
    pictures = data.store("test").samples[:].float()
    noise = torch.randn(pictures.shape, generator=torch.Generator().manual_seed(0))
    noisy = (0.95 * pictures + 6 + 8 * noise).round().clamp(0, 255).to(torch.uint8)
    assert min(aligned(data, noisy).values()) >= 0.96


def test_pictures_of_other_captions_are_right_by_chance(data: Scenes) -> None:
    figures = aligned(data, data.store("test").samples[:].roll(1, 0))
    assert figures["all"] < 0.02
    assert figures["background"] == pytest.approx(1 / 8, abs=0.08)
    assert figures["digit"] < 0.15
    assert figures["colour"] < 0.2


def test_mirrored_pictures_have_another_relation_in_the_same_colours(data: Scenes) -> None:
    pictures = data.store("test").samples[:]
    scenes = data.scenes("test")
    across = torch.tensor([scene.relation in ("left of", "right of") for scene in scenes])
    before, after = aligned(data, pictures), aligned(data, pictures.flip(3))
    assert after["background"] == before["background"]
    assert after["colour"] == before["colour"]
    # Above stays above.
    two = torch.tensor([scene.relation is not None for scene in scenes])
    assert after["relation"] == pytest.approx(float((two & ~across).sum() / two.sum()), abs=0.02)
    assert after["all"] < before["all"] - 0.2


def test_recoloured_pictures_are_of_other_colours_in_the_same_shapes(data: Scenes) -> None:
    pictures, rows = data.store("test").samples[:].clone(), []
    for number, scene in enumerate(data.scenes("test")):
        if len(scene.things) == 1:
            ground = torch.tensor(COLOURS[scene.background or ""])[:, None, None].float()
            own, other = (
                torch.tensor(COLOURS[name])[:, None, None].float() - ground
                for name in (scene.things[0].colour or "", next_colour(scene))
            )
            amount = ((pictures[number].float() - ground) * own).sum(0) / (own**2).sum()
            pictures[number] = (ground + amount * other).round().clamp(0, 255).to(torch.uint8)
            rows.append(number)
    shown = read_scenes(pictures[rows], load_digit_classifier())
    requested = [data.scenes("test")[number] for number in rows]
    found = [compare(one, other) for one, other in zip(requested, shown, strict=True)]
    assert not any(one["colour"] for one in found)
    assert not any(one["all"] for one in found)
    assert sum(bool(one["digit"]) for one in found) >= 0.97 * len(found)
    assert all(one["background"] for one in found)


def next_colour(scene: Scene) -> str:
    return next(name for name in COLOURS if name not in (scene.background, scene.things[0].colour))


def test_a_blank_or_noisy_picture_shows_no_digit(data: Scenes) -> None:
    generator = torch.Generator().manual_seed(0)
    noise = torch.randint(0, 256, (20, 3, 32, 32), generator=generator, dtype=torch.uint8)
    blank = torch.tensor(list(COLOURS.values()), dtype=torch.uint8)[:, :, None, None].expand(-1, -1, 32, 32)
    grey = torch.full((2, 3, 32, 32), 127, dtype=torch.uint8)
    shown = read_scenes(torch.cat([noise, blank, grey]), load_digit_classifier())
    assert all(scene.things == () for scene in shown)
    assert [scene.background for scene in shown] == [None] * 20 + list(COLOURS) + [None] * 2
    figures = aligned(data, noise)
    assert figures["all"] == figures["digit"] == figures["background"] == 0


RED, BLUE = Thing(3, "red", "large"), Thing(5, "blue", "small")


@pytest.mark.parametrize(
    ("requested", "shown", "wrong"),
    [
        # The order in which digits are named does not matter, their places do.
        (Scene((BLUE, RED), "right of", "white"), Scene((RED, BLUE), "left of", "white"), set()),
        (Scene((BLUE, RED), "left of", "white"), Scene((RED, BLUE), "left of", "white"), {"relation"}),
        (Scene((RED, BLUE), "above", "white"), Scene((RED, BLUE), "left of", "white"), {"relation"}),
        # What is left open is right.
        (Scene((Thing(3, None, None),), None, None), Scene((RED,), None, "white"), set()),
        # A digit too many or too few.
        (Scene((RED,), None, "white"), Scene((RED, BLUE), "left of", "white"), {"digit", "colour", "size"}),
        (
            Scene((RED, BLUE), "left of", "white"),
            Scene((RED,), None, "white"),
            {"digit", "colour", "size", "relation"},
        ),
        # Colours exchanged between the two.
        (
            Scene((RED, BLUE), "left of", "white"),
            Scene((RED._replace(colour="blue"), BLUE._replace(colour="red")), "left of", "white"),
            {"colour"},
        ),
        (Scene((RED,), None, "white"), Scene((), None, None), {"digit", "colour", "size", "background"}),
    ],
)
def test_what_is_wrong_is_said(requested: Scene, shown: Scene, wrong: set[str]) -> None:
    found = compare(requested, shown)
    by_number = {"all", ("all_one", "all_two")[len(requested.things) - 1]}
    assert {name for name, right in found.items() if right is False} == wrong | (by_number if wrong else set())
    assert (found["relation"] is None) == (requested.relation is None)


def test_any_prompt_of_the_language_can_be_scored_and_no_other(data: Scenes) -> None:
    assert data.condition is not None
    pictures = data.store("test").samples[:2]
    scene = data.scenes("test")[0]
    texts = [caption(scene), "a digit"]
    rows = torch.cat([data.condition.parse(text) for text in texts])
    found = Alignment().compute(Material(2, samples=pictures, conditions=Conditions(data.condition, rows)))
    assert found["alignment_background"] == 1
    rows[1] = data.condition.parse("a red red")
    with pytest.raises(ValueError, match="'a red red' is no caption of scenes"):
        Alignment().compute(Material(2, samples=pictures, conditions=Conditions(data.condition, rows)))


def test_it_takes_captions_and_colours() -> None:
    setting = Setting(9, None, 0, 0, None, Images((3, 32, 32)), captioned=True)
    assert Alignment().unsuited(setting) is None
    grey = Setting(9, None, 0, 0, None, Images((1, 32, 32)), captioned=True)
    assert Alignment().unsuited(grey) == "it takes images in colour"
    assert "captions" in (Alignment().unsuited(Setting(9, None, 0, 0, None, Images((3, 32, 32)))) or "")


def test_real_scenes_stand_beside_those_of_a_run(data: Scenes) -> None:
    evaluator = Evaluator(count=50, scores=["alignment"])
    real = evaluator.score_split(data, "test")
    assert real is not None
    assert real.values["alignment_all"] >= 0.98
    assert real.values["alignment_all_std"] < 0.01
    assert real.protocol["alignment"]["sha256"] == load_digit_classifier().weights_sha256
