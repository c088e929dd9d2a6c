"""StarGAN: its losses by hand, that pairs are not looked at, and what is translated into what."""

from functools import partial
from typing import Any

import pytest
import torch
from torch import Tensor, nn
from torch.nn.functional import log_softmax

from genbench.batch import Batch
from genbench.conditions.attributes import Attributes
from genbench.conditions.base import Condition
from genbench.conditions.captions import Captions
from genbench.conditions.classes import Classes
from genbench.conditions.target_domain import TargetDomain
from genbench.methods.adversarial.stargan import StarGAN, permuted
from genbench.networks.stargan import StarGANDiscriminator, StarGANGenerator
from genbench.randomness import Noise

SHAPE = (3, 8, 8)
CLASSES = Classes(["a", "b", "c"])


class Same(nn.Module):
    """A generator that changes nothing, whatever the domain."""

    def __init__(self, **shapes: Any) -> None:
        super().__init__()
        self.shift = nn.Parameter(torch.tensor(0.0))

    def forward(self, images: Tensor, domain: Tensor) -> Tensor:
        return images + self.shift


class Slope(nn.Module):
    """A critic of slope 2 everywhere whose logits are those that it is told."""

    def __init__(self, image_shape: Any, domains: int) -> None:
        super().__init__()
        self.scale = nn.Parameter(torch.tensor(2.0))
        self.logits = nn.Parameter(torch.linspace(-1, 1, domains))

    def forward(self, images: Tensor) -> tuple[Tensor, Tensor]:
        pixels = images[0].numel()
        return self.scale * images.flatten(1).sum(1) / pixels**0.5, self.logits.expand(len(images), -1)


def make(
    condition: Condition | None = CLASSES, generator: Any = Same, discriminator: Any = Slope, **settings: Any
) -> StarGAN:
    torch.manual_seed(0)
    optimizers = {"generator_optimizer": torch.optim.Adam, "discriminator_optimizer": torch.optim.Adam}
    return StarGAN(generator, discriminator, SHAPE, condition, **optimizers, **settings)


def real(condition: Condition | None = CLASSES, **settings: Any) -> StarGAN:
    return make(
        condition,
        partial(StarGANGenerator, width=4, blocks=1),
        partial(StarGANDiscriminator, width=4, layers=2),
        **settings,
    )


def images(count: int = 6) -> Tensor:
    return torch.rand(count, *SHAPE, generator=torch.Generator().manual_seed(1)) * 2 - 1


def test_the_discriminators_loss_by_hand() -> None:
    """Images that are not changed are as far from the critic as real ones; its slope is 2."""
    labels = torch.tensor([0, 1, 2, 2, 1, 0])
    loss, figures = make().discriminator_loss(Batch(images(), labels))
    assert figures["adversary/wasserstein"].item() == pytest.approx(0, abs=1e-6)
    assert figures["adversary/penalty"].item() == pytest.approx((2 - 1) ** 2, rel=1e-5)
    of_domain = -log_softmax(torch.linspace(-1, 1, 3), 0).mean()
    assert figures["loss/domain_real"].item() == pytest.approx(float(of_domain), rel=1e-5)
    assert loss.item() == pytest.approx(10 + float(of_domain), rel=1e-5)


def test_an_identity_comes_back_from_every_domain() -> None:
    method = make(domain_weight=0.5)
    batch = Batch(images(), torch.tensor([0, 1, 2, 2, 1, 0]))
    loss, figures = method.generator_loss(batch)
    assert figures["loss/cycle"].item() == 0
    score = float(method.discriminator(batch.x)[0].detach().mean())
    assert loss.item() == pytest.approx(-score + 0.5 * float(figures["loss/domain_fake"]), rel=1e-5)
    with torch.no_grad():
        method.generator.shift.fill_(0.25)
    # There and back adds the shift twice.
    assert method.generator_loss(batch)[1]["loss/cycle"].item() == pytest.approx(0.5)


def test_attributes_are_independent_and_their_losses_are_added_up() -> None:
    method = make(Attributes(["x", "y"]))
    logits, wanted = torch.tensor([[2.0, -1.0], [0.0, 3.0]]), torch.tensor([[1.0, 0.0], [1.0, 0.0]])
    by_hand = torch.tensor([[-2.0, -1.0], [0.0, 3.0]]).exp().log1p().sum() / 2
    torch.testing.assert_close(method.domain_loss(logits, wanted), by_hand)
    assert torch.equal(method.vectors(wanted), wanted)
    assert make().vectors(torch.tensor([2, 0])).tolist() == [[0, 0, 1], [1, 0, 0]]


def test_targets_are_the_batchs_own_domains_in_another_order() -> None:
    torch.manual_seed(0)
    domains = torch.arange(50) % 7
    target = permuted(domains)
    assert torch.equal(target.sort().values, domains.sort().values)
    assert not torch.equal(target, domains)
    torch.manual_seed(0)
    assert torch.equal(permuted(domains), target)
    torch.manual_seed(0)
    assert torch.equal(permuted(torch.eye(7)[domains]).argmax(1), target)


def test_pairs_are_not_looked_at() -> None:
    """The losses are the same whatever the sources of a batch are, and as without any."""
    condition = TargetDomain(CLASSES, SHAPE)
    method, unpaired = real(condition), real()
    labels = torch.tensor([0, 1, 2, 2, 1, 0])
    sources = images(12)[6:]
    batches = [
        (method, Batch(images(), condition.pack(labels, sources))),
        (method, Batch(images(), condition.pack(labels, sources.flip(0)))),
        (unpaired, Batch(images(), labels)),
    ]
    for name in ("discriminator_loss", "generator_loss"):
        found = []
        for one, batch in batches:
            torch.manual_seed(3)
            found.append(getattr(one, name)(batch)[0])
        assert torch.equal(found[0], found[1])
        assert torch.equal(found[0], found[2])


def test_gradients_reach_both_players() -> None:
    method = real()
    batch = Batch(images(), torch.tensor([0, 1, 2, 2, 1, 0]))
    method.generator_loss(batch)[0].backward()
    assert all(each.grad is not None and each.grad.isfinite().all() for each in method.generator.parameters())
    method.zero_grad()
    method.discriminator_loss(batch)[0].backward()
    assert all(each.grad is not None for each in method.discriminator.parameters())
    assert all(each.grad is None for each in method.generator.parameters())


def test_held_out_images_are_led_to_every_other_class_in_turn() -> None:
    method = make()
    assert method.derives_condition
    own = torch.tensor([0, 1, 2, 2, 1, 0])
    rows = method.condition_of(Batch(images(), own))
    assert rows is not None
    targets, sources = method.condition.split(rows)
    assert targets.tolist() == [1, 0, 0, 1, 2, 2]
    assert (targets != own).all()
    assert torch.equal(sources, images())
    attributes = make(Attributes(["x", "y"]))
    rows = attributes.condition_of(Batch(images(3), torch.tensor([[1.0, 0.0], [0.0, 0.0], [1.0, 1.0]])))
    assert rows is not None
    assert attributes.condition.split(rows)[0].tolist() == [[0, 0], [0, 1], [0, 1]]
    # Of data with true translations the rows are the data's.
    paired = make(TargetDomain(CLASSES, SHAPE))
    assert not paired.derives_condition
    rows = paired.condition.pack(own, images())
    assert paired.condition_of(Batch(images(), rows)) is rows


def test_translations_are_of_the_averaged_weights_and_of_their_rows() -> None:
    method = real()
    with torch.no_grad():
        for parameter in method.generator.parameters():
            parameter.zero_()
    rows = method.condition.pack(torch.tensor([0, 1]), images(2))
    drawn = method.sample(2, rows, noise=Noise(0))
    torch.testing.assert_close(drawn, method.average(images(2), torch.eye(3)[:2]))
    torch.testing.assert_close(method.sample(1, rows[1:], noise=Noise(7)), drawn[1:])
    with pytest.raises(ValueError, match="conditional"):
        method.sample(2, noise=Noise(0))


def test_what_does_not_do() -> None:
    for condition in (None, Captions(["a"], 2)):
        with pytest.raises(ValueError, match="classes or attributes, or data=emoji_domains"):
            make(condition)
    with pytest.raises(ValueError, match="at least two"):
        make(Classes(["one"]))
    for name in ("penalty", "domain_weight", "cycle_weight"):
        with pytest.raises(ValueError, match=name):
            make(**{name: -1})
