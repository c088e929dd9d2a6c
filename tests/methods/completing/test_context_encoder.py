"""Context encoders: their losses, the ring around the hole, what is kept, and the paper's sizes."""

from functools import partial
from typing import Any

import pytest
import torch
from torch import Tensor, nn
from torch.nn.functional import softplus

from genbench.batch import Batch
from genbench.errors import UserError
from genbench.methods.completing.context_encoder import ContextEncoder, region_weights
from genbench.networks.context_encoder import ContextGenerator
from genbench.networks.dcgan import DCGANDiscriminator
from genbench.randomness import Noise
from tests.filling_in import check_filling_in

OPTIMIZERS = {"generator_optimizer": torch.optim.Adam, "discriminator_optimizer": torch.optim.Adam}


def make(generator: Any = None, side: int = 32, **settings: Any) -> ContextEncoder:
    torch.manual_seed(0)
    return ContextEncoder(
        generator or partial(ContextGenerator, width=4, bottleneck=8),
        partial(DCGANDiscriminator, width=4),
        (3, side, side),
        **{"masks": "random", "overlap": 2, **OPTIMIZERS, **settings},
    )


def images(count: int = 4, side: int = 32) -> Tensor:
    return torch.rand(count, 3, side, side, generator=torch.Generator().manual_seed(0)) * 2 - 1


class Constant(nn.Module):
    """Draws one colour everywhere."""

    def __init__(self, image_shape: Any, output_shape: Any) -> None:
        super().__init__()
        self.shape = output_shape
        self.colour = nn.Parameter(torch.tensor(0.3))

    def forward(self, known: Tensor) -> Tensor:
        return self.colour.expand(len(known), *self.shape)


def test_the_ring_around_the_hole_counts_ten_times() -> None:
    mask = torch.ones(1, 1, 16, 16)
    mask[:, :, 6:10, 6:10] = 0
    x, predicted = torch.zeros(1, 3, 16, 16), torch.ones(1, 3, 16, 16, requires_grad=True)
    weights, count = region_weights(mask, 2, 10.0)
    ((weights * (x - predicted).square()).sum() / (3 * count)).backward()
    gradient = predicted.grad
    assert gradient is not None
    hole, ring, beyond = gradient[0, 0, 7, 7], gradient[0, 0, 5, 7], gradient[0, 0, 3, 7]
    torch.testing.assert_close(ring, 10 * hole)
    assert beyond == 0
    assert count == 64
    torch.testing.assert_close(hole, torch.tensor(2 / (3 * 64)))


def test_losses_are_the_papers() -> None:
    method = make(Constant, masks="center", overlap=2)
    x = images()
    middle = x[:, :, 8:24, 8:24]
    hidden = torch.zeros(16, 16)
    hidden[2:14, 2:14] = 1
    l2 = ((hidden + 10 * (1 - hidden)) * (middle - 0.3).square()).mean()
    fake, real = method.discriminator(torch.full_like(middle, 0.3)), method.discriminator(middle)
    loss, figures = method.generator_loss(Batch(x, None))
    torch.testing.assert_close(figures["loss/l2"], l2)
    torch.testing.assert_close(loss, 0.999 * l2 + 0.001 * softplus(-fake).mean())
    loss, _ = method.discriminator_loss(Batch(x, None))
    torch.testing.assert_close(loss, softplus(-real).mean() + softplus(fake).mean())
    plain = make(Constant, masks="center", overlap=2, adversarial_weight=0.0)
    loss, figures = plain.generator_loss(Batch(x, None))
    torch.testing.assert_close(loss, 0.999 * l2)
    assert "loss/adversarial" not in figures


def test_of_random_holes_the_discriminator_sees_what_is_kept() -> None:
    method, x = make(Constant), images()
    mask = method.fresh_masks(x)
    shown = method.shown(method.complete(method.generator, x, mask), x, mask)
    assert torch.equal(shown, torch.where(mask.bool(), x, torch.tensor(0.3).expand_as(x)))
    assert torch.equal(method.seen(x), x)


@pytest.mark.parametrize("masks", ["random", "center"])
def test_known_pixels_are_kept_exactly_and_hidden_ones_not_seen(masks: Any) -> None:
    method = make(masks=masks).eval()
    for parameter in method.average.parameters():
        # As it begins, it hardly sees its input.
        nn.init.normal_(parameter, std=0.2)
    mask = torch.ones(32, 32)
    mask[10:20, 9:22] = 0
    known, hole = images(), mask == 0
    if masks == "random":
        check_filling_in(_as_drawn(method), known, mask, None)
    filled = method.inpaint(known, mask, noise=Noise(0))
    assert torch.equal(filled[..., ~hole], known[..., ~hole])
    assert torch.equal(method.inpaint(torch.where(hole, 5 * known, known), mask, noise=Noise(0)), filled)
    assert not torch.equal(method.inpaint(-known, mask, noise=Noise(0))[..., hole], filled[..., hole])


def _as_drawn(method: ContextEncoder) -> Any:
    """Let what fills in images draw of nothing known, as those do that need no image to draw."""

    class Drawing:
        inpaint = staticmethod(method.inpaint)

        @staticmethod
        def sample(count: int, rows: Any, *, noise: Noise) -> Tensor:
            return method.sample(count, method.condition.null(count), noise=noise)

    return Drawing()


def test_of_nothing_known_all_images_are_the_same() -> None:
    method = make().eval()
    filled = method.inpaint(images(), torch.zeros(32, 32), noise=Noise(0))
    assert torch.equal(filled[0], filled[1])


def test_a_sample_is_a_held_out_image_with_the_same_hole_in_every_batch() -> None:
    method, x = make().eval(), images(6)
    rows = method.condition_of(Batch(x, None))
    assert torch.equal(method.condition_of(Batch(x[2:4], None)), rows[2:4])
    known, mask = method.condition.split(rows)
    assert (1 - mask).flatten(1).any(1).all()
    assert torch.equal(known, x * mask)
    drawn = method.sample(6, rows, noise=Noise(0))
    assert torch.equal(drawn * mask, known)
    center = make(masks="center", overlap=3).condition_of(Batch(x, None))[:, -1]
    assert (center == 0).sum().item() == 6 * (16 - 6) ** 2


def count(network: nn.Module) -> int:
    return sum(each.numel() for each in network.parameters())


@pytest.mark.parametrize(
    ("bottleneck", "encoder", "decoder"), [(4000, 35_596_064, 35_534_467), (100, 3_643_364, 3_577_867)]
)
def test_the_networks_have_the_papers_sizes(bottleneck: int, encoder: int, decoder: int) -> None:
    with torch.device("meta"):
        network = ContextGenerator((3, 128, 128), (3, 64, 64), bottleneck=bottleneck)
        discriminator = DCGANDiscriminator((3, 64, 64), width=64)
    assert (count(network.encoder), count(network.decoder)) == (encoder, decoder)
    # Theirs also has biases before BatchNorm, which takes them away again.
    assert count(discriminator) == 2_766_529 - (128 + 256 + 512)


def test_what_does_not_do() -> None:
    for settings, message in (
        ({"masks": "left"}, "masks"),
        ({"l2_weight": -1.0}, "l2_weight"),
        ({"masks": "center", "overlap": 8}, "leaves nothing"),
        ({"objective": "best"}, "objective"),
    ):
        with pytest.raises(ValueError, match=message):
            make(**settings)
    center = make(masks="center")
    mask = torch.ones(32, 32)
    mask[:16] = 0
    with pytest.raises(UserError, match="mask=center"):
        center.inpaint(images(), mask, noise=Noise(0))
    with pytest.raises(ValueError, match="takes no condition"):
        center.inpaint(images(), mask, torch.zeros(4), noise=Noise(0))
    with pytest.raises(ValueError, match="2 samples take as many conditions"):
        center.sample(2, noise=Noise(0))
