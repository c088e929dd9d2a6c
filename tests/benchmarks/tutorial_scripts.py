"""GAN, DCGAN, WGAN-GP and DDPM as tutorials have them: sizes, rates and losses of widespread scripts, no GenBench.

Networks of the adversarial ones are as large as PyTorch-GAN's scripts of these names (batches of 64, Adam at 2e-4),
with their BatchNorms of epsilon 0.8; DDPM is a small convolutional U-Net of 300 steps. None has averaged weights, and
each draws from its network in evaluation mode. Batches are drawn from images in memory, not decoded one by one.
"""

from collections.abc import Callable
from itertools import pairwise
from typing import NamedTuple

import torch
from torch import Tensor, nn
from torch.nn.functional import binary_cross_entropy, interpolate
from torch.optim import Adam

BATCH, LATENT = 64, 100


class Script(NamedTuple):
    """A script's training step, and how it draws images (N, 1, S, S) in [-1, 1]."""

    step: Callable[[], None]
    draw: Callable[[int], Tensor]


def _batch(images: Tensor, count: int = BATCH) -> Tensor:
    return images[torch.randint(0, len(images), (count,))].float() / 127.5 - 1


def _drawing(generator: nn.Module) -> Callable[[int], Tensor]:
    def draw(count: int) -> Tensor:
        generator.eval()
        with torch.no_grad():
            return torch.cat([generator(torch.randn(min(500, count - at), LATENT)) for at in range(0, count, 500)])

    return draw


def _mlp_generator(pixels: int, side: int) -> nn.Sequential:
    layers: list[nn.Module] = [nn.Linear(LATENT, 128), nn.LeakyReLU(0.2)]
    for width in (128, 256, 512):
        layers += [nn.Linear(width, 2 * width), nn.BatchNorm1d(2 * width, 0.8), nn.LeakyReLU(0.2)]
    return nn.Sequential(*layers, nn.Linear(1024, pixels), nn.Tanh(), nn.Unflatten(1, (1, side, side)))


def _mlp_discriminator(pixels: int, *end: nn.Module) -> nn.Sequential:
    first, second = nn.Linear(pixels, 512), nn.Linear(512, 256)
    return nn.Sequential(
        nn.Flatten(), first, nn.LeakyReLU(0.2), second, nn.LeakyReLU(0.2), nn.Linear(256, 1), *end, nn.Flatten(0)
    )


def _cross_entropy_script(generator: nn.Module, discriminator: nn.Module, images: Tensor) -> Script:
    """The generator first, then the discriminator on the same images."""
    optimizer_g, optimizer_d = (Adam(each.parameters(), 2e-4, (0.5, 0.999)) for each in (generator, discriminator))
    ones, zeros = torch.ones(BATCH), torch.zeros(BATCH)

    def step() -> None:
        real = _batch(images)
        optimizer_g.zero_grad()
        fake = generator(torch.randn(BATCH, LATENT))
        binary_cross_entropy(discriminator(fake), ones).backward()
        optimizer_g.step()
        optimizer_d.zero_grad()
        loss = binary_cross_entropy(discriminator(real), ones)
        loss = loss + binary_cross_entropy(discriminator(fake.detach()), zeros)
        (loss / 2).backward()
        optimizer_d.step()

    return Script(step, _drawing(generator))


def gan(images: Tensor) -> Script:
    """Two multilayer perceptrons."""
    side, pixels = images.shape[-1], images[0].numel()
    return _cross_entropy_script(_mlp_generator(pixels, side), _mlp_discriminator(pixels, nn.Sigmoid()), images)


def dcgan(images: Tensor) -> Script:
    """Nearest upsampling and convolutions at 32 pixels, against strided convolutions with dropout."""
    images = interpolate(images.float(), (32, 32), mode="bilinear").round().byte()
    generator = nn.Sequential(
        nn.Linear(LATENT, 128 * 64), nn.Unflatten(1, (128, 8, 8)), nn.BatchNorm2d(128),
        nn.Upsample(scale_factor=2), nn.Conv2d(128, 128, 3, padding=1), nn.BatchNorm2d(128, 0.8), nn.LeakyReLU(0.2),
        nn.Upsample(scale_factor=2), nn.Conv2d(128, 64, 3, padding=1), nn.BatchNorm2d(64, 0.8), nn.LeakyReLU(0.2),
        nn.Conv2d(64, 1, 3, padding=1), nn.Tanh(),
    )  # fmt: skip
    layers: list[nn.Module] = []
    for a, b in ((1, 16), (16, 32), (32, 64), (64, 128)):
        layers += [nn.Conv2d(a, b, 3, 2, 1), nn.LeakyReLU(0.2), nn.Dropout2d(0.25)]
        layers += [nn.BatchNorm2d(b, 0.8)] if a > 1 else []
    discriminator = nn.Sequential(*layers, nn.Flatten(), nn.Linear(128 * 4, 1), nn.Sigmoid(), nn.Flatten(0))
    for module in [*generator, *discriminator]:
        if isinstance(module, nn.Conv2d):
            nn.init.normal_(module.weight, 0.0, 0.02)
    return _cross_entropy_script(generator, discriminator, images)


def wgan_gp(images: Tensor) -> Script:
    """The same perceptrons; five steps of the critic, with its gradient penalty, to one of the generator."""
    side, pixels = images.shape[-1], images[0].numel()
    generator, critic = _mlp_generator(pixels, side), _mlp_discriminator(pixels)
    optimizer_g, optimizer_d = (Adam(each.parameters(), 2e-4, (0.5, 0.999)) for each in (generator, critic))
    done = [0]

    def step() -> None:
        real, z = _batch(images), torch.randn(BATCH, LATENT)
        optimizer_d.zero_grad()
        fake = generator(z).detach()
        mix = torch.rand(BATCH, 1, 1, 1)
        between = (mix * real + (1 - mix) * fake).requires_grad_()
        (slope,) = torch.autograd.grad(critic(between).sum(), between, create_graph=True)
        penalty = (slope.flatten(1).norm(dim=1) - 1).square().mean()
        (critic(fake).mean() - critic(real).mean() + 10 * penalty).backward()
        optimizer_d.step()
        if done[0] % 5 == 0:
            optimizer_g.zero_grad()
            (-critic(generator(z)).mean()).backward()
            optimizer_g.step()
        done[0] += 1

    return Script(step, _drawing(generator))


class _Block(nn.Module):
    def __init__(self, a: int, b: int, time: int) -> None:
        super().__init__()
        self.first, self.second = (nn.Sequential(nn.Conv2d(i, b, 3, padding=1), nn.GroupNorm(8, b)) for i in (a, b))
        self.embed, self.shortcut = nn.Linear(time, b), nn.Conv2d(a, b, 1)

    def forward(self, x: Tensor, t: Tensor) -> Tensor:
        hidden = (self.first(x) + self.embed(t)[:, :, None, None]).relu()
        out: Tensor = self.second(hidden).relu() + self.shortcut(x)
        return out


class _UNet(nn.Module):
    """Two halvings, a block at each size on either side, skip connections, no attention."""

    def __init__(self, width: int = 32, time: int = 64) -> None:
        super().__init__()
        self.time = nn.Sequential(nn.Linear(time, time), nn.ReLU(), nn.Linear(time, time))
        self.register_buffer("frequencies", torch.logspace(0, -4, time // 2))
        channels = (1, width, 2 * width, 2 * width)
        self.down = nn.ModuleList(_Block(a, b, time) for a, b in pairwise(channels))
        ups = ((4 * width, 2 * width), (3 * width, width))
        self.up = nn.ModuleList(_Block(a, b, time) for a, b in ups)
        self.last = nn.Conv2d(width, 1, 1)

    def forward(self, x: Tensor, t: Tensor) -> Tensor:
        angles = t[:, None] * self.frequencies
        t = self.time(torch.cat([angles.sin(), angles.cos()], dim=1))
        kept = []
        for block in self.down:
            x = block(nn.functional.max_pool2d(x, 2) if kept else x, t)
            kept.append(x)
        kept.pop()
        for block in self.up:
            x = block(torch.cat([interpolate(x, scale_factor=2.0), kept.pop()], dim=1), t)
        noise: Tensor = self.last(x)
        return noise


def ddpm(images: Tensor, steps: int = 300) -> Script:
    """Predict the noise of a linear schedule, draw by the ancestral sampler."""
    side, network = images.shape[-1], _UNet()
    optimizer = Adam(network.parameters(), 1e-3)
    beta = torch.linspace(1e-4, 0.02, steps)
    alpha_bar = (1 - beta).cumprod(0)

    def step() -> None:
        x_0 = _batch(images, 128)
        t, eps = torch.randint(0, steps, (len(x_0),)), torch.randn_like(x_0)
        kept = alpha_bar[t].view(-1, 1, 1, 1)
        optimizer.zero_grad()
        (network(kept.sqrt() * x_0 + (1 - kept).sqrt() * eps, t.float()) - eps).square().mean().backward()
        optimizer.step()

    @torch.no_grad()
    def draw(count: int) -> Tensor:
        x = torch.randn(count, 1, side, side)
        for t in reversed(range(steps)):
            eps = torch.cat([network(part, torch.full((len(part),), float(t))) for part in x.split(250)])
            x = (x - beta[t] / (1 - alpha_bar[t]).sqrt() * eps) / (1 - beta[t]).sqrt()
            x = x + (beta[t].sqrt() * torch.randn_like(x) if t else 0)
        return x.clamp(-1, 1)

    return Script(step, draw)


SCRIPTS: dict[str, Callable[[Tensor], Script]] = {"gan": gan, "dcgan": dcgan, "wgan_gp": wgan_gp, "ddpm": ddpm}
