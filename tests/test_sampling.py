"""Image i of a sampled set depends on (seed, i) alone."""

from functools import partial

import pytest
import torch
from torch import Tensor

from genbench.conditions.base import Conditions
from genbench.medium import Images
from genbench.methods.adversarial.gan import GAN
from genbench.networks.dcgan import DCGANDiscriminator, DCGANGenerator
from genbench.randomness import CHUNK, Noise, chunks, derive_seed
from genbench.sampling import sample_chunks, sample_set
from tests.kinds import classes


@pytest.fixture(scope="module")
def gan() -> GAN:
    torch.manual_seed(0)
    optimizer = partial(torch.optim.Adam, lr=1e-3)
    networks = partial(DCGANGenerator, width=8), partial(DCGANDiscriminator, width=8)
    return GAN(*networks, (1, 16, 16), generator_optimizer=optimizer, discriminator_optimizer=optimizer, latent_dim=12)


def test_processes_together_draw_the_set_of_one(gan: GAN) -> None:
    count = 3 * CHUNK + 5
    whole = sample_set(gan.sample, count, 3, gan.medium)
    assert whole.shape == (count, 1, 16, 16)
    assert whole.dtype == torch.uint8
    for world_size in (2, 3, 8):
        parts: dict[int, Tensor] = {}
        for rank in range(world_size):
            parts |= dict(sample_chunks(gan.sample, count, 3, medium=gan.medium, rank=rank, world_size=world_size))
        assert torch.equal(torch.cat([parts[first] for first in sorted(parts)]), whole)


@pytest.mark.parametrize("count", [1, 2, CHUNK - 1, CHUNK, CHUNK + 1])
def test_a_smaller_set_is_the_beginning_of_a_larger_one(gan: GAN, count: int) -> None:
    larger = sample_set(gan.sample, 2 * CHUNK, 7, gan.medium)
    assert torch.equal(sample_set(gan.sample, count, 7, gan.medium), larger[:count])


def test_other_seeds_draw_other_images(gan: GAN) -> None:
    one, other = (sample_set(gan.sample, 4, seed, gan.medium) for seed in (0, 1))
    assert not torch.equal(one, other)


def test_sampling_leaves_the_global_generator_alone(gan: GAN) -> None:
    torch.manual_seed(1)
    before = torch.get_rng_state()
    sample_set(gan.sample, 3, 0, gan.medium)
    assert torch.equal(torch.get_rng_state(), before)


def test_conditions_go_with_their_images() -> None:
    seen = []

    def sample(count: int, condition: Tensor, *, noise: Noise) -> Tensor:
        seen.append(condition)
        return condition.float().view(-1, 1, 1, 1) / 127.5 - 1

    conditions = Conditions(classes(CHUNK + 3), torch.arange(CHUNK + 3))
    images = sample_set(sample, CHUNK + 3, 0, Images((1, 1, 1)), conditions)
    assert images.flatten().tolist() == conditions.rows.tolist()
    assert all(len(condition) == CHUNK for condition in seen)


def test_noise_is_standard_normal_and_new_at_each_call() -> None:
    noise = Noise(0)
    first, second = noise.normal(1000, 50), noise.normal(1000, 50)
    assert not torch.equal(first, second)
    assert abs(first.mean().item()) < 0.02
    assert abs(first.std().item() - 1) < 0.02
    with pytest.raises(ValueError, match="at least one row"):
        noise.normal(0, 3)


def test_chunks_are_dealt_without_overlap() -> None:
    for count in (1, CHUNK, 5 * CHUNK + 1):
        dealt = [chunk for rank in range(4) for chunk, _ in chunks(count, rank, 4)]
        assert sorted(dealt) == list(range(-(-count // CHUNK)))
        assert sum(size for rank in range(4) for _, size in chunks(count, rank, 4)) == count


def test_seeds_of_different_streams_and_numbers_differ() -> None:
    seeds = {derive_seed(stream, a, b) for stream in ("order", "step", "sample") for a in range(20) for b in range(20)}
    assert len(seeds) == 3 * 20 * 20
