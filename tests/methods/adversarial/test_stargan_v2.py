"""StarGAN v2: its terms by hand, its four updates, and styles of noise and of references."""

from functools import partial
from typing import Any

import pytest
import torch
from torch import Tensor, nn
from torch.nn.functional import softplus

from genbench.batch import Batch
from genbench.conditions.attributes import Attributes
from genbench.conditions.base import Condition
from genbench.conditions.classes import Classes
from genbench.conditions.target_domain import TargetDomain
from genbench.methods.adversarial.stargan_v2 import StarGANv2, others_of_domain
from genbench.networks.stargan_v2 import (
    StarGANv2Discriminator,
    StarGANv2Generator,
    StarGANv2Mapping,
    StarGANv2StyleEncoder,
)
from genbench.randomness import Noise

SHAPE = (3, 32, 32)
CLASSES = Classes(["a", "b", "c"])
SMALL: dict[str, int] = {"width": 128, "most": 8}
LABELS = torch.tensor([0, 1, 2, 2, 1, 0])


class Shift(nn.Module):
    """Adds the first number of the style to an image."""

    def __init__(self, image_shape: Any, style_dim: int) -> None:
        super().__init__()
        self.scale = nn.Parameter(torch.tensor(1.0))

    def forward(self, x: Tensor, s: Tensor) -> Tensor:
        return x + self.scale * s[:, :1, None, None]


class Flat(nn.Module):
    """Says the same number for all, of whatever shape."""

    def __init__(self, value: float, outputs: int | None = None, **shapes: Any) -> None:
        super().__init__()
        self.value = nn.Parameter(torch.tensor(value))
        self.outputs = outputs or shapes.get("style_dim")

    def forward(self, x: Tensor, domain: Tensor) -> Tensor:
        shape = (len(x), self.outputs) if self.outputs else (len(x),)
        # With a slope of zero with respect to the input.
        return self.value + 0 * x.flatten(1).sum(1).view(-1, *[1] * (len(shape) - 1)).expand(shape)


def make(condition: Condition | None = CLASSES, **settings: Any) -> StarGANv2:
    torch.manual_seed(0)
    adam = partial(torch.optim.Adam, lr=1e-3)
    networks = {
        "generator": partial(StarGANv2Generator, **SMALL),
        "discriminator": partial(StarGANv2Discriminator, **SMALL),
        "mapping": partial(StarGANv2Mapping, width=8),
        "style_encoder": partial(StarGANv2StyleEncoder, **SMALL),
    }
    given: dict[str, Any] = {
        **networks, "generator_optimizer": adam, "discriminator_optimizer": adam, "mapping_optimizer": adam,
        "latent_dim": 4, "style_dim": 5, **settings,
    }  # fmt: skip
    return StarGANv2(image_shape=SHAPE, condition=condition, **given)


def by_hand(**settings: Any) -> StarGANv2:
    """D says 1, F says 0.5, and E -0.25, whatever they look at; G adds the style."""
    return make(
        generator=Shift, discriminator=partial(Flat, 1.0, None), mapping=partial(Flat, 0.5),
        style_encoder=partial(Flat, -0.25), **settings,
    )  # fmt: skip


def images(count: int = 6) -> Tensor:
    return torch.rand(count, *SHAPE, generator=torch.Generator().manual_seed(1)) * 2 - 1


BATCH = Batch(images(), LABELS)


def test_the_terms_by_hand() -> None:
    method = by_hand(style_weight=2.0, diversity_weight=4.0, cycle_weight=3.0)
    loss, figures = method.generator_latent_loss(BATCH)
    one = torch.tensor(1.0)
    assert figures["loss/adversarial"].item() == pytest.approx(float(softplus(-one)))
    # The style 0.5 is seen as -0.25, and the way back adds -0.25 to what has been shifted by 0.5.
    assert figures["loss/style"].item() == pytest.approx(0.75)
    assert figures["loss/cycle"].item() == pytest.approx(0.25, rel=1e-4)
    # Two styles that are the same make no difference.
    assert figures["loss/diversity"].item() == 0
    assert loss.item() == pytest.approx(float(softplus(-one)) + 2 * 0.75 + 3 * 0.25, rel=1e-4)
    loss, figures = method.discriminator_loss(BATCH)
    assert figures["adversary/r1"].item() == 0
    assert loss.item() == pytest.approx(float(softplus(-one) + softplus(one)))


def test_an_identity_comes_back() -> None:
    method = by_hand()
    with torch.no_grad():
        method.generator.scale.zero_()  # type: ignore[operator,union-attr]
    for loss in (method.generator_latent_loss, method.generator_loss):
        figures = loss(BATCH)[1]
        assert figures["loss/cycle"].item() == figures["loss/diversity"].item() == 0


def test_diversity_is_rewarded_and_its_weight_falls_in_a_line() -> None:
    method = make(diversity_weight=2.0, diversity_steps=100_000)
    for step, weight in ((0, 2.0), (25_000, 1.5), (99_999, 2e-5), (100_000, 0.0), (150_000, 0.0)):
        assert method.diversity_at(step) == pytest.approx(weight, abs=1e-9)
    found = []
    for weight in (0.0, 2.0):
        method.diversity = weight
        torch.manual_seed(3)
        found.append(method.generator_latent_loss(BATCH))
    (without, figures), (with_it, _) = found
    assert figures["loss/diversity"] > 0
    torch.testing.assert_close(with_it, without - 2 * figures["loss/diversity"])


def test_pairs_are_not_looked_at() -> None:
    condition = TargetDomain(CLASSES, SHAPE)
    paired, unpaired = make(condition), make()
    rows = condition.pack(LABELS, images(12)[6:])
    for name in ("discriminator_loss", "discriminator_reference_loss", "generator_latent_loss", "generator_loss"):
        found = []
        for method, y in ((paired, rows), (paired, condition.pack(LABELS, images())), (unpaired, LABELS)):
            torch.manual_seed(3)
            found.append(getattr(method, name)(Batch(images(), y))[0])
        assert torch.equal(found[0], found[1])
        assert torch.equal(found[0], found[2])


def test_references_are_of_their_domains_and_two_of_each_differ_where_there_are_two() -> None:
    torch.manual_seed(0)
    own = torch.tensor([0, 1, 1, 1, 2, 2, 1])
    seen = set()
    for _ in range(50):
        places = torch.randperm(7)
        others = others_of_domain(own, places)
        assert torch.equal(own[others], own[places])
        assert torch.equal(others == places, own[places] == 0)
        seen |= {int(other) for place, other in zip(places.tolist(), others.tolist(), strict=True) if place == 1}
    assert seen == {2, 3, 6}
    method = make()
    target, style, other = method.styles_of_references(BATCH)(LABELS)
    assert torch.equal(target.sort().values, LABELS.sort().values)
    assert not torch.allclose(style, other)


def state(network: nn.Module) -> list[Tensor]:
    return [parameter.detach().clone() for parameter in network.parameters()]


def moved(before: list[Tensor], network: nn.Module) -> bool:
    return any(not torch.equal(one, two) for one, two in zip(before, network.parameters(), strict=True))


@pytest.fixture
def alone(monkeypatch: pytest.MonkeyPatch) -> StarGANv2:
    """A method that steps without a trainer."""
    method = make()
    optimizers = method.configure_optimizers()
    monkeypatch.setattr(method, "_optimizer", lambda index, counts: optimizers[index])
    monkeypatch.setattr(method, "manual_backward", lambda loss: loss.backward())
    return method


def test_styles_of_noise_train_all_and_those_of_references_the_generator_alone(alone: StarGANv2) -> None:
    networks = {name: getattr(alone, name) for name in ("generator", "mapping", "style_encoder", "discriminator")}
    alone.measures = alone._logs = False
    for further, along, trained in (
        ("generator_latent", ("mapping", "style_encoder"), {"generator", "mapping", "style_encoder"}),
        (None, (), {"generator"}),
    ):
        before = {name: state(network) for name, network in networks.items()}
        averages = {name: state(each) for name, each in averages_of(alone).items()}
        loss = alone.generator_latent_loss if along else alone.generator_loss
        alone.take_step("generator", loss, BATCH, further=further, along=along)
        assert {name for name, network in networks.items() if moved(before[name], network)} == trained
        # Each average follows once in a training step.
        followed = {name for name, each in averages_of(alone).items() if moved(averages[name], each)}
        assert followed == trained - ({"generator"} if further else set())
        assert all(parameter.requires_grad for network in networks.values() for parameter in network.parameters())


def averages_of(method: StarGANv2) -> dict[str, nn.Module]:
    return {
        "generator": method.average.module,
        "mapping": method.average_mapping.module,
        "style_encoder": method.average_encoder.module,
    }


def test_translations_have_styles_of_the_noise_or_of_references() -> None:
    method = make()
    rows = method.condition.pack(torch.tensor([0, 2]), images(2))
    one = method.sample(2, rows, noise=Noise(0))
    assert torch.equal(one, method.sample(2, rows, noise=Noise(0)))
    assert not torch.equal(one, method.sample(2, rows, noise=Noise(1)))
    assert one.abs().max() <= 1
    references = images(4)[2:]
    style = method.average_encoder(references, torch.tensor([0, 2]))
    expected = method.average(images(2), style).clamp(-1, 1)
    torch.testing.assert_close(method.sample_like(references, rows), expected)


def test_what_does_not_do() -> None:
    with pytest.raises(ValueError, match="of one alone"):
        make(Attributes(["x", "y"]))
    with pytest.raises(ValueError, match="takes data with classes, or data=emoji_domains"):
        make(None)
    for name in ("r1", "style_weight", "diversity_weight", "cycle_weight"):
        with pytest.raises(ValueError, match=name):
            make(**{name: -1})
    with pytest.raises(ValueError, match="discriminator_steps"):
        make(discriminator_steps=2)
