"""Scenes that edits are judged by: what is changed, and what is kept of it."""

import numpy as np
import pytest

from genbench.data.scenes import Scenes
from genbench.metrics.scene_tasks import ATTRIBUTES, altered, fraction, kept, one_digit_task
from genbench.text.scenes import COLOURS, is_unseen


@pytest.fixture(scope="module")
def data() -> Scenes:
    data = Scenes(count=20, held_out=200)
    data.prepare_data()
    return data


@pytest.mark.parametrize("attribute", ATTRIBUTES)
def test_one_attribute_differs_and_the_scene_is_one_of_training(data: Scenes, attribute: str) -> None:
    task = one_digit_task(data, 60)
    assert len(task.images) == len(task.scenes) == 60
    for scene, other in zip(task.scenes, altered(task.scenes, attribute), strict=True):
        (thing,), (changed,) = scene.things, other.things
        before = {"digit": thing.digit, "colour": thing.colour, "background": scene.background}
        after = {"digit": changed.digit, "colour": changed.colour, "background": other.background}
        assert [name for name in ATTRIBUTES if before[name] != after[name]] == [attribute]
        assert after["colour"] != after["background"]
        if attribute != "background":
            assert not is_unseen(int(str(after["digit"])), list(COLOURS).index(str(after["colour"])))


def test_pictures_keep_what_they_show(data: Scenes) -> None:
    task = one_digit_task(data, 60)
    own = kept(task.images, task.scenes)
    assert all(np.mean(own[name]) > 0.95 for name in ATTRIBUTES)
    # Of scenes with another colour they keep the rest.
    others = kept(task.images, altered(task.scenes, "colour"))
    assert not any(others["colour"])
    assert others["digit"] == own["digit"]


def test_a_fraction_has_its_interval() -> None:
    row = fraction({"kept": "digit"}, [True] * 8 + [False] * 2)
    assert row["kept"] == "digit"
    assert (row["images"], row["right"]) == (10, 0.8)
    # Wilson's interval of 8 of 10, as Brown et al. 2001 have it.
    assert (row["from"], row["to"]) == pytest.approx((0.4902, 0.9433), abs=1e-4)
