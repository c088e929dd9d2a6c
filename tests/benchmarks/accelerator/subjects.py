"""The methods whose steps are measured: a new method adds an entry."""

from collections.abc import Callable
from dataclasses import dataclass

from omegaconf import DictConfig

from tests.benchmarks import plain_loops
from tests.benchmarks.accelerator.form import Form
from tests.benchmarks.noise_data import NoiseData
from tests.benchmarks.step_speed import settings

_PLAYERS = ("generator_optimizer", "discriminator_optimizer")
_NO_SCHEDULE = ("schedule@method.schedule=constant",)
_NARROW = tuple(f"network.{player}.width=4" for player in ("generator", "discriminator"))


@dataclass(frozen=True)
class Subject:
    """A method at the size of its paper, and tiny.

    Attributes:
        words: its experiment, with settings.
        shape: (C, H, W) of its images.
        batch: images of a batch.
        tiny_words: a small one of the same method.
        tiny_shape: (C, H, W) there.
        plain: its plain loop, see `plain_loops`.
        optimizers: the settings that make its optimizers.
        translates: whether it takes source images.
    """

    words: tuple[str, ...]
    shape: tuple[int, int, int]
    batch: int
    tiny_words: tuple[str, ...]
    tiny_shape: tuple[int, int, int]
    plain: Callable[..., plain_loops.Step]
    optimizers: tuple[str, ...] = _PLAYERS
    translates: bool = False

    def config(self, form: Form, *words: str) -> DictConfig:
        """Return its configuration, without pauses between steps."""
        return settings([*(self.tiny_words if form.tiny else self.words), *words])

    def data(self, form: Form) -> NoiseData:
        """Return noise of its shape."""
        size = 8 if form.tiny else self.batch
        return NoiseData(self.shape_of(form), size, count=4 * size, translates=self.translates)

    def shape_of(self, form: Form) -> tuple[int, int, int]:
        """Return (C, H, W) of its images."""
        return self.tiny_shape if form.tiny else self.shape


_WGAN_GP = ("experiment=wgan_gp_cifar10", "method.generator_batch=1", "method.dequantise=false", *_NO_SCHEDULE)
"""As the plain loop has it."""

_DDPM_TINY = ("experiment=ddpm_digits", "network.denoiser.width=8")

SUBJECTS = {
    "GAN, 64 pixels": Subject(
        ("experiment=dcgan_lsun",), (3, 64, 64), 128, ("experiment=gan_digits", *_NARROW), (1, 16, 16), plain_loops.gan
    ),
    "WGAN-GP, 32": Subject(
        (*_WGAN_GP,), (3, 32, 32), 64, (*_WGAN_GP, *_NARROW), (3, 16, 16), plain_loops.wgan_gp,
    ),
    "pix2pix, 256": Subject(
        ("experiment=pix2pix_folder",), (3, 256, 256), 1, ("experiment=pix2pix_edges2digits", *_NARROW), (1, 32, 32),
        plain_loops.pix2pix, translates=True,
    ),
    "CycleGAN, 256": Subject(
        ("experiment=cyclegan_folder", *_NO_SCHEDULE), (3, 256, 256), 1,
        ("experiment=cyclegan_digits", "network.generator.blocks=1", *_NARROW, *_NO_SCHEDULE), (1, 16, 16),
        plain_loops.cyclegan, translates=True,
    ),
    "DDPM, 32": Subject(
        ("experiment=ddpm_cifar10",), (3, 32, 32), 128, _DDPM_TINY, (1, 8, 8), plain_loops.ddpm, ("optimizer",)
    ),
    "DDPM, 64": Subject(
        ("experiment=ddpm_celeba",), (3, 64, 64), 32, _DDPM_TINY, (1, 16, 16), plain_loops.ddpm, ("optimizer",)
    ),
}  # fmt: skip
