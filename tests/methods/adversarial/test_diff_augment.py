"""Differentiable augmentation: what it does to images, to gradients and to a training."""

from pathlib import Path
from typing import Any

import pytest
import torch
from torch import Tensor

from genbench.__main__ import main
from genbench.batch import Batch
from genbench.methods.adversarial.diff_augment import Augmentation, DiffAugment, change_color, cut_out, translate
from genbench.methods.adversarial.gan import GAN
from genbench.methods.adversarial.wgan_gp import WGANGP
from tests.conftest import Train
from tests.methods.adversarial.test_faster_steps import make

ALL: list[Augmentation] = ["color", "translation", "cutout"]


@pytest.fixture(autouse=True)
def seeded() -> None:
    torch.manual_seed(0)


def test_an_empty_policy_changes_nothing_and_draws_nothing() -> None:
    images = torch.randn(4, 3, 8, 8)
    state = torch.get_rng_state()
    assert DiffAugment([])(images) is images
    assert torch.equal(torch.get_rng_state(), state)


@pytest.mark.parametrize("kind", ALL)
@pytest.mark.parametrize("shape", [(1, 8, 8), (3, 16, 12), (3, 7, 9)])
def test_gradients_flow_and_shapes_stay(kind: Augmentation, shape: tuple[int, ...]) -> None:
    images = torch.rand(5, *shape).requires_grad_()
    augmented = DiffAugment([kind])(images)
    assert augmented.shape == images.shape
    augmented.sum().backward()
    assert images.grad is not None
    assert images.grad.isfinite().all()
    assert (images.grad != 0).flatten(1).any(1).all()


def test_images_of_a_batch_are_augmented_each_in_its_own_way() -> None:
    one = torch.rand(1, 3, 16, 16)
    for kind in ALL:
        augmented = DiffAugment([kind])(one.repeat(64, 1, 1, 1))
        assert len(torch.unique(augmented, dim=0)) > 16


def test_translations_shift_by_up_to_an_eighth_and_bring_in_zeros() -> None:
    """Pixel values tell where each came from: the shifts are whole, within 2 of 16, and all of them occur."""
    places = torch.arange(1.0, 257.0).view(1, 1, 16, 16)
    shifts = set()
    for image in translate(places.repeat(400, 1, 1, 1))[:, 0]:
        row, column = (image != 0).nonzero()[0].tolist()
        origin = int(image[row, column]) - 1
        down, right = row - origin // 16, column - origin % 16
        expected = torch.zeros(20, 20)
        expected[2 + down : 18 + down, 2 + right : 18 + right] = places[0, 0]
        assert torch.equal(image, expected[2:18, 2:18])
        shifts.add((down, right))
    assert shifts == {(down, right) for down in range(-2, 3) for right in range(-2, 3)}


@pytest.mark.parametrize(("height", "width"), [(16, 16), (16, 8), (6, 10)])
def test_cutouts_are_of_half_of_each_side_around_any_pixel(height: int, width: int) -> None:
    holes = cut_out(torch.ones(600, 1, height, width))[:, 0] == 0
    for hole in holes:
        rows, columns = hole.any(1).nonzero(), hole.any(0).nonzero()
        # A rectangle, of half of each side where it lies inside.
        assert hole.sum() == len(rows) * len(columns)
        assert len(rows) <= int(height / 2 + 0.5)
        assert len(columns) <= int(width / 2 + 0.5)
    assert int(holes.sum((1, 2)).max()) == int(height / 2 + 0.5) * int(width / 2 + 0.5)
    assert holes.any(0).all()


def test_colors_are_changed_within_the_authors_magnitudes() -> None:
    count = 4000
    images = torch.rand(1, 3, 4, 4).repeat(count, 1, 1, 1)
    changed = change_color(images)
    brighter = changed.mean((1, 2, 3)) - images.mean((1, 2, 3))
    assert brighter.abs().max() <= 0.5 + 1e-5
    assert brighter.std() == pytest.approx(12**-0.5, rel=0.05)
    # Saturation leaves the grey alone, which contrast stretches by 1/2 to 3/2.
    grey, before = changed.mean(1), images.mean(1)
    contrast = (grey - grey.mean((1, 2), keepdim=True)).flatten(1).norm(dim=1) / (
        before - before.mean((1, 2), keepdim=True)
    ).flatten(1).norm(dim=1)
    assert contrast.min() == pytest.approx(0.5, abs=0.01)
    assert contrast.max() == pytest.approx(1.5, abs=0.01)
    # And the colours, beside the grey, by up to twice that.
    colors = (changed - changed.mean(1, keepdim=True)).flatten(1).norm(dim=1) / (
        images - images.mean(1, keepdim=True)
    ).flatten(1).norm(dim=1)
    saturation = colors / contrast
    assert saturation.min() == pytest.approx(0, abs=0.01)
    assert saturation.max() == pytest.approx(2, abs=0.01)
    assert saturation.mean() == pytest.approx(1, abs=0.05)


class Seen:
    """What a discriminator is shown."""

    def __init__(self) -> None:
        self.images: list[Tensor] = []

    def __call__(self, module: Any, arguments: tuple[Tensor, ...]) -> None:
        self.images.append(arguments[0].detach())


@pytest.mark.parametrize("joint_pass", [False, True])
def test_both_networks_updates_see_augmented_images_alone(joint_pass: bool) -> None:
    gan, seen = make(GAN, augment=["cutout"], joint_pass=joint_pass), Seen()
    gan.discriminator.register_forward_pre_hook(seen)
    batch = Batch(torch.rand(4, 1, 16, 16) + 0.5, None)
    gan.discriminator_loss(batch)
    assert sum(map(len, seen.images)) == 8
    gan.generator_loss(batch)[0].backward()
    assert all(parameter.grad is not None for parameter in gan.generator.parameters())
    # No other pixel is exactly 0.
    assert (torch.cat(seen.images) == 0).flatten(1).any(1).all()


@pytest.mark.parametrize("kind", [GAN, WGANGP])
def test_penalties_are_of_the_discriminator_behind_the_augmentation(kind: Any) -> None:
    settings = {"r1": 1.0} if kind is GAN else {}
    gan, seen = make(kind, augment=ALL, **settings), Seen()
    gan.discriminator.register_forward_pre_hook(seen)
    gan.discriminator_loss(Batch(torch.rand(4, 1, 16, 16) + 0.5, None))[0].backward()
    assert len(seen.images) == 3
    assert all((images == 0).flatten(1).any(1).all() for images in seen.images)
    assert all(parameter.grad.isfinite().all() for parameter in gan.discriminator.parameters())


def test_a_training_with_it_is_resumed_to_the_bit(train: Train) -> None:
    words = ["method.augment=[color,translation,cutout]", "callbacks.nearest=null"]
    whole, parted = train("steps=6", *words, name="whole"), train("steps=3", *words, name="parted")
    assert main(["train", f"run={parted}", "steps=6"]) == 0
    one, two = (torch.load(run / "checkpoints" / "last.ckpt", weights_only=True) for run in (whole, parted))
    for name, value in one["state_dict"].items():
        assert torch.equal(value, two["state_dict"][name]), name


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (["method.augment=[blur]"], "color, translation, cutout, not of 'blur'"),
        (["method.augment=[color,color]"], "has a kind twice"),
        (["method.augment=color"], "method.augment must be a list"),
        (["method=pix2pix", "+method.augment=[color]"], "has no setting 'augment'"),
    ],
)
def test_policies_that_do_not_do(words: list[str], message: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["train", *words]) == 2
    assert message in capsys.readouterr().err
    assert not Path("outputs").exists()
