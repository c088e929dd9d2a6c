"""StackGAN: its losses, wrong captions, conditioning augmentation, both stages, and the paper's sizes."""

import math
from functools import partial
from typing import Any

import pytest
import torch
from torch import Tensor, nn
from torch.nn.functional import binary_cross_entropy, cross_entropy, normalize

from genbench.batch import Batch
from genbench.conditions.captions import Captions
from genbench.conditions.embeddings import Embeddings
from genbench.medium import Images
from genbench.methods.adversarial.matching import divergence, same_rows, wrong_captions
from genbench.methods.adversarial.stackgan import StackGAN
from genbench.methods.adversarial.stackgan_refiner import StackGANRefiner
from genbench.networks.pair_discriminator import PairDiscriminator
from genbench.networks.stackgan import ConditioningAugmentation, StageOneGenerator, StageTwoGenerator
from genbench.parts import freeze
from genbench.randomness import Noise
from tests.embedders import CAPTIONS, Brightness

WORDS = Captions(["red", "three", "blue", "seven"], 3)
ROWS = WORDS.encode(["red three", "blue seven", "red seven", "blue three"])
SMALL: dict[str, Any] = {"width": 4, "caption_dim": 8}
OPTIMIZERS = {"generator_optimizer": torch.optim.Adam, "discriminator_optimizer": torch.optim.Adam}
PROJECTION = {"joining": "projection", "norm": "none"}


def stage_one(discriminator: dict[str, Any] | None = None, condition: Any = WORDS, **settings: Any) -> StackGAN:
    torch.manual_seed(0)
    return StackGAN(
        partial(StageOneGenerator, **SMALL, embedding_dim=8),
        partial(PairDiscriminator, **SMALL, **(discriminator or {})),
        (3, 16, 16),
        condition,
        latent_dim=6,
        **OPTIMIZERS,
        **settings,
    )


def stage_two(first: nn.Module, generator: dict[str, Any] | None = None, **settings: Any) -> StackGANRefiner:
    torch.manual_seed(1)
    return StackGANRefiner(
        partial(StageTwoGenerator, **SMALL, embedding_dim=8, blocks=1, **(generator or {})),
        partial(PairDiscriminator, **SMALL),
        (3, 32, 32),
        WORDS,
        stage_one=first,  # type: ignore[arg-type]
        **OPTIMIZERS,
        **settings,
    )


def frozen(model: Any) -> Any:
    freeze(model)
    return model


def batch(side: int = 16) -> Batch:
    return Batch(torch.rand(4, 3, side, side) * 2 - 1, ROWS)


def test_the_divergence_is_zero_for_the_prior_and_half_the_mean_square_for_its_deviation() -> None:
    mu = torch.randn(3, 7)
    nothing = torch.zeros(3, 7)
    assert divergence(nothing, nothing) == 0
    torch.testing.assert_close(divergence(mu, nothing), mu.square().mean() / 2)
    torch.testing.assert_close(divergence(nothing, nothing + 2), torch.tensor((math.exp(2) - 3) / 2))
    normal = torch.distributions.Normal
    log_variance = torch.randn(3, 7)
    expected = torch.distributions.kl_divergence(normal(mu, (log_variance / 2).exp()), normal(0.0, 1.0)).mean()
    torch.testing.assert_close(divergence(mu, log_variance), expected)


def test_what_a_caption_says_is_certain_without_variance() -> None:
    torch.manual_seed(0)
    network = ConditioningAugmentation(Embeddings(4), 3, activation="none")
    nn.init.zeros_(network.to_moments.weight)
    with torch.no_grad():
        network.to_moments.bias.copy_(torch.tensor([1.0, 2.0, 3.0, *[-math.inf] * 3]))
    drawn = [network(torch.randn(2, 4), torch.randn(2, 3))[0] for _ in range(2)]
    assert torch.equal(drawn[0], torch.tensor([[1.0, 2.0, 3.0]] * 2))
    assert torch.equal(*drawn)


@pytest.mark.parametrize(("activation", "least"), [("relu", 0.0), ("leaky_relu", -0.2), ("none", -1.0)])
def test_the_moments_are_bounded_as_in_each_code(activation: Any, least: float) -> None:
    network = ConditioningAugmentation(Embeddings(2), 1, activation=activation)
    with torch.no_grad():
        network.to_moments.weight.copy_(torch.tensor([[-1.0, 0.0], [0.0, -1.0]]))
        network.to_moments.bias.zero_()
    _, mu, log_variance = network(torch.ones(1, 2), torch.zeros(1, 1))
    assert mu.item() == pytest.approx(least)
    assert log_variance.item() == pytest.approx(least)


def test_wrong_captions_are_of_other_images_and_differ() -> None:
    others, is_wrong = wrong_captions(ROWS)
    assert others.tolist() == [1, 2, 3, 0]
    assert is_wrong.all()
    # Of equal captions the next that differs.
    others, is_wrong = wrong_captions(ROWS[torch.tensor([0, 0, 1, 0])])
    assert others.tolist() == [2, 2, 3, 2]
    assert is_wrong.all()
    for rows in (ROWS[:1], ROWS[:1].repeat(3, 1)):
        assert not wrong_captions(rows)[1].any()
    generator = torch.Generator().manual_seed(0)
    for _ in range(20):
        rows = torch.randint(0, 2, (6, 2), generator=generator)
        others, is_wrong = wrong_captions(rows)
        differ = (rows != rows[others]).any(1)
        assert (others != torch.arange(6)).all()
        assert torch.equal(differ, is_wrong)


def test_losses_are_the_papers() -> None:
    method, whole = stage_one(kl_weight=3.0), batch()
    torch.manual_seed(3)
    loss, figures = method.discriminator_loss(whole)
    torch.manual_seed(3)
    drawn = method.draw(ROWS)
    d = method.discriminator
    ones, zeros = torch.ones(4), torch.zeros(4)
    real, wrong, fake = (
        d(images, rows).sigmoid()
        for images, rows in ((whole.x, ROWS), (whole.x, ROWS.roll(-1, 0)), (drawn.images.detach(), ROWS))
    )
    expected = binary_cross_entropy(real, ones)
    expected = expected + 0.5 * (binary_cross_entropy(wrong, zeros) + binary_cross_entropy(fake, zeros))
    torch.testing.assert_close(loss, expected)
    torch.testing.assert_close(figures["adversary/d_wrong"], wrong.mean())
    torch.manual_seed(3)
    loss, figures = method.generator_loss(whole)
    torch.testing.assert_close(
        loss, binary_cross_entropy(fake, ones) + 3 * divergence(drawn.mu, drawn.log_variance), rtol=1e-4, atol=1e-4
    )


class Undecided(PairDiscriminator):
    """One half, whatever it sees."""

    def match(self, features: Tensor, said: Tensor) -> Tensor:
        return 0 * super().match(features, said)

    def realness(self, features: Tensor) -> Tensor:
        return 0 * super().realness(features)


def test_an_undecided_discriminator_has_the_losses_of_one_half() -> None:
    torch.manual_seed(0)
    method = stage_one()
    method.discriminator.__class__ = Undecided
    loss, _ = method.discriminator_loss(batch())
    assert loss.item() == pytest.approx(math.log(2) + 0.5 * 2 * math.log(2))
    refiner = stage_two(frozen(stage_one()), kl_weight=0.0)
    refiner.discriminator.__class__ = Undecided
    loss, _ = refiner.discriminator_loss(batch(32))
    assert loss.item() == pytest.approx(2 * math.log(2))
    assert refiner.generator_loss(batch(32))[0].item() == pytest.approx(2 * math.log(2))


def test_the_contrastive_term_finds_each_caption_among_those_of_the_batch() -> None:
    plain, method, whole = stage_one(PROJECTION), stage_one(PROJECTION, contrastive=0.7), batch()
    torch.manual_seed(3)
    loss, figures = method.discriminator_loss(whole)
    torch.manual_seed(3)
    without, _ = plain.discriminator_loss(whole)
    d = method.discriminator
    images, texts = normalize(d.features(whole.x).mean((2, 3)), dim=1), normalize(d.read(ROWS), dim=1)
    logits = 10 * images @ texts.T
    expected = (cross_entropy(logits, torch.arange(4)) + cross_entropy(logits.T, torch.arange(4))) / 2
    torch.testing.assert_close(figures["loss/contrastive"], expected)
    torch.testing.assert_close(loss, without + 0.7 * expected)
    assert torch.equal(same_rows(ROWS), torch.eye(4, dtype=torch.bool))
    assert "loss/contrastive" in method.generator_loss(whole)[1]


def test_projection_is_the_product_of_features_and_caption() -> None:
    torch.manual_seed(0)
    d = PairDiscriminator((3, 16, 16), WORDS, width=4, joining="projection", norm="none")
    x = torch.randn(4, 3, 16, 16)
    features, said = d.features(x), d.read(ROWS)
    torch.testing.assert_close(said.square().mean(1), torch.ones(4))
    expected = d.to_logit(features) + torch.einsum("bk,bk->b", said, features.mean((2, 3))) / 8**0.5
    torch.testing.assert_close(d(x, ROWS), expected)


@pytest.mark.parametrize("settings", [{}, {"contrastive": 1.0, "r1": 1.0, "discriminator": PROJECTION}])
def test_gradients_reach_each_network_by_its_own_loss(settings: dict[str, Any]) -> None:
    method = stage_one(**settings)
    method.discriminator_loss(batch())[0].backward()
    assert all(each.grad is None for each in method.generator.parameters())
    assert all(each.grad is not None for each in method.discriminator.parameters())
    # Each reads captions by an encoder of its own.
    assert all(each.grad.abs().sum() > 0 for each in method.discriminator.text.tokens.parameters())  # type: ignore[union-attr]
    method.generator_loss(batch())[0].backward()
    text: Any = method.generator.augmentation.text
    assert text.tokens.weight.grad.abs().sum() > 0
    if method.r1:
        method.r1_loss(batch())[0].backward()


def test_the_second_stage_leaves_the_first_as_it_is() -> None:
    first = stage_one()
    before = {name: value.clone() for name, value in first.state_dict().items()}
    method = stage_two(frozen(first))
    method.train()
    for loss in (method.discriminator_loss, method.generator_loss):
        loss(batch(32))[0].backward()
    assert all(each.grad is None for each in first.parameters())
    assert not any(module.training for module in first.modules())
    assert all(torch.equal(value, before[name]) for name, value in first.state_dict().items())
    assert not any(name.startswith("stage_one") for name in method.state_dict())


def test_the_second_stage_may_begin_as_the_enlarged_first() -> None:
    first = frozen(stage_one())
    method = stage_two(first, {"residual": True})
    with torch.no_grad():
        drawn = method.sample(3, ROWS[:3], noise=Noise(5))
        small = first.sample(3, ROWS[:3], noise=Noise(5))
    enlarged = nn.functional.interpolate(small, (32, 32), mode="bilinear", align_corners=False)
    torch.testing.assert_close(drawn, enlarged.clamp(-1, 1))


def test_a_sample_depends_on_its_caption_and_its_noise() -> None:
    first = stage_one().eval()
    for method, side in ((first, 16), (stage_two(frozen(stage_one())).eval(), 32)):
        with torch.no_grad():
            drawn = [method.sample(4, rows, noise=Noise(seed)) for rows, seed in ((ROWS, 0), (ROWS, 0), (ROWS, 1))]
            other = method.sample(4, ROWS.flip(0), noise=Noise(0))
        assert drawn[0].shape == (4, 3, side, side)
        assert drawn[0].abs().max() <= 1
        assert torch.equal(drawn[0], drawn[1])
        assert not torch.equal(drawn[0], drawn[2])
        assert not torch.equal(drawn[0], other)
    latents = Noise(0).normal(4, first.latent_dim)
    with torch.no_grad():
        assert torch.equal(first.decode(latents, ROWS), first.sample(4, ROWS, noise=Noise(0)))


def test_captions_may_be_read_by_a_frozen_part() -> None:
    part = frozen(Brightness())
    method = stage_one(condition=CAPTIONS, embedder=part).eval()
    rows = CAPTIONS.encode(["dark", "bright", "grey", "dark"])
    read = method.read(rows)
    torch.testing.assert_close(read.square().mean(1), torch.ones(4))
    assert method.generator.augmentation.text is None
    drawn = method.sample(4, rows, noise=Noise(0))
    assert not torch.equal(drawn, method.sample(4, rows.flip(0), noise=Noise(0)))
    method.discriminator_loss(Batch(torch.randn(4, 3, 16, 16), rows))[0].backward()
    assert part.weight.grad is None


def count(network: nn.Module) -> int:
    return sum(each.numel() for each in network.parameters())


@pytest.mark.parametrize(
    ("g_width", "d_width", "blocks", "counts"),
    [
        (192, 96, 2, (20_020_832, 12_407_425, 37_130_480, 159_889_538)),
        (128, 64, 4, (10_301_248, 5_715_713, 26_290_080, 71_269_122)),
    ],
)
def test_the_networks_have_the_sizes_of_the_authors_code(
    g_width: int, d_width: int, blocks: int, counts: tuple[int, ...]
) -> None:
    read, small, large = Embeddings(1024), (3, 64, 64), (3, 256, 256)
    with torch.device("meta"):
        networks = (
            StageOneGenerator(100, small, read, width=g_width),
            PairDiscriminator(small, read, width=d_width),
            StageTwoGenerator(large, small, read, width=g_width, blocks=blocks),
            PairDiscriminator(large, read, width=d_width, with_realness=True),
        )
    # Theirs is given the generator's mean of a caption; ours has a linear map of its own, as in the paper.
    own_map = 1024 * 128 + 128
    assert tuple(map(count, networks)) == (counts[0], counts[1] + own_map, counts[2], counts[3] + own_map)


def test_what_does_not_do() -> None:
    for settings, message in (
        ({"condition": None}, "data with captions"),
        ({"kl_weight": -1.0}, "kl_weight"),
        ({"r1": 1.0}, "norm=none"),
        ({"contrastive": 1.0}, "joining=projection"),
        ({"discriminator": {"joining": "addition"}}, "joining"),
    ):
        with pytest.raises(ValueError, match=message):
            stage_one(**settings)
    with pytest.raises(ValueError, match="2 samples take as many conditions"):
        stage_one().sample(2, noise=Noise(0))
    grey = frozen(stage_one())
    grey.medium = Images((1, 16, 16))
    with pytest.raises(ValueError, match="3 channels"):
        stage_two(grey)
    wordless = frozen(stage_one())
    wordless.condition = None
    with pytest.raises(ValueError, match="images of captions"):
        stage_two(wordless)
    for small in ((3, 16, 16), (3, 48, 48)):
        with pytest.raises(ValueError, match="2, 4, 8"):
            StageTwoGenerator((3, 48, 48), small, WORDS)
