"""Adaptive augmentation: how its probability moves, and what its changes are."""

import pytest
import torch
from torch import Tensor

from genbench.methods.adversarial.adaptive_augment import AdaptiveAugment, Kind, inverse_maps, recoloured


class Fixed:
    """Gives the numbers that it was told in place of random ones, in their order."""

    def __init__(
        self, count: int, normal: tuple[float, ...] = (), uniform: tuple[float, ...] = (), whole: tuple[int, ...] = ()
    ) -> None:
        self.count = count
        self.p = torch.tensor(1.0)
        self._normal, self._uniform, self._whole = iter(normal), iter(uniform), iter(whole)

    def normal(self, std: float, p: Tensor | None = None) -> Tensor:
        return torch.full((self.count,), next(self._normal))

    def uniform(self, most: float, p: Tensor | None = None) -> Tensor:
        return torch.full((self.count,), next(self._uniform))

    def whole(self, count: int) -> Tensor:
        return torch.full((self.count,), float(next(self._whole)))


def observed(ada: AdaptiveAugment, logits: Tensor, steps: int) -> None:
    for step in range(steps):
        ada.observe(logits)
        ada.adapt(step)


def test_the_probability_moves_by_one_over_so_many_images_for_each_image() -> None:
    ada = AdaptiveAugment(target=0.6, images=1000, every=4)
    observed(ada, torch.full((16,), 2.0), 3)
    assert float(ada.p) == 0
    observed(ada, torch.full((16,), 2.0), 4)
    # The first three steps were seen, too, and changed nothing.
    assert float(ada.p) == pytest.approx(7 * 16 / 1000)
    observed(ada, torch.cat([torch.ones(12), -torch.ones(4)]), 4)
    # A mean sign of 0.5 is below the target.
    assert float(ada.p) == pytest.approx(3 * 16 / 1000)
    observed(ada, -torch.ones(16), 400)
    assert float(ada.p) == 0
    observed(ada, torch.ones(16), 400)
    assert float(ada.p) == 1


def test_a_probability_that_is_set_stays() -> None:
    ada = AdaptiveAugment(start=0.3)
    observed(ada, torch.ones(16), 40)
    assert float(ada.p) == pytest.approx(0.3)
    images = torch.rand(4, 3, 8, 8)
    assert AdaptiveAugment()(images) is images


def test_a_probability_of_zero_changes_nothing() -> None:
    images = torch.rand(4, 3, 16, 16) * 2 - 1
    torch.testing.assert_close(AdaptiveAugment(target=0.6)(images), images, atol=2e-5, rtol=0)


@pytest.mark.parametrize("p", [0.25, 1.0])
def test_a_change_happens_as_often_as_the_probability_says(p: float) -> None:
    torch.manual_seed(0)
    images = torch.linspace(-1, 1, 64).view(1, 1, 8, 8).expand(4000, -1, -1, -1)
    augmented = AdaptiveAugment(start=p, kinds=["color"])(images)
    # Contrast and brightness change every image to which they are done; an inversion does nothing to half of those.
    changed = (augmented - images).abs().amax((1, 2, 3)) > 1e-4
    assert float(changed.float().mean()) == pytest.approx(1 - (1 - p) ** 2 * (1 - p / 2), abs=0.03)


def test_colours_are_changed_as_the_paper_has_it() -> None:
    images = torch.rand(1, 3, 4, 4) * 2 - 1

    def of(normal: tuple[float, float, float] = (0, 0, 0), flip: int = 0, hue: float = 0.0) -> Tensor:
        return recoloured(Fixed(1, normal, (hue,), (flip,)), images)  # type: ignore[arg-type]

    torch.testing.assert_close(of(), images)
    torch.testing.assert_close(of((0.3, 0, 0)), images + 0.3)
    torch.testing.assert_close(of((0.1, 1, 0)), 2 * (images + 0.1))
    grey = images.mean(1, keepdim=True)
    torch.testing.assert_close(of(flip=1), images - 2 * grey)
    torch.testing.assert_close(of((0, 0, 2.0)), grey + 4 * (images - grey))
    # A third of a turn about the grey axis makes red green, green blue and blue red.
    torch.testing.assert_close(of(hue=2 * torch.pi / 3), images.roll(1, 1), atol=1e-5, rtol=0)


def test_grey_images_are_made_brighter_stronger_and_inverted() -> None:
    images = torch.rand(2, 1, 4, 4)
    changed = recoloured(Fixed(2, (0.2, 1.0), (), (1,)), images)  # type: ignore[arg-type]
    torch.testing.assert_close(changed, -2 * (images + 0.2))


def test_maps_are_from_the_result_to_the_image() -> None:
    kinds: list[Kind] = ["blit"]
    # Mirrored and shifted to the right by 3: what is seen at x was at 3 - x.
    found = inverse_maps(Fixed(1, (), (3.0, 0.0), (1, 0)), 8, 8, kinds)  # type: ignore[arg-type]
    torch.testing.assert_close(found[0] @ torch.tensor([2.0, 1.0, 1.0]), torch.tensor([1.0, 1.0]))
    # Twice as large: what is seen at x was at x / 2.
    found = inverse_maps(Fixed(1, (1.0, 0.0, 0.0, 0.0), (0.0, 0.0)), 8, 8, ["geometry"])  # type: ignore[arg-type]
    torch.testing.assert_close(found[0] @ torch.tensor([2.0, -4.0, 1.0]), torch.tensor([1.0, -2.0]))


def test_it_can_be_differentiated_twice() -> None:
    torch.manual_seed(0)
    images = torch.rand(2, 3, 8, 8, requires_grad=True)
    augmented = AdaptiveAugment(start=0.8)(images)
    (slope,) = torch.autograd.grad(augmented.square().sum(), images, create_graph=True)
    slope.square().sum().backward()
    assert images.grad is not None
    assert float(images.grad.abs().sum()) > 0


@pytest.mark.parametrize(
    "settings", [{"target": 2.0}, {"images": 0}, {"every": 0}, {"start": 1.5}, {"kinds": ["colour"]}, {"kinds": []}]
)
def test_what_is_refused(settings: dict[str, object]) -> None:
    (name,) = settings
    with pytest.raises(ValueError, match=name):
        AdaptiveAugment(**settings)  # type: ignore[arg-type]
