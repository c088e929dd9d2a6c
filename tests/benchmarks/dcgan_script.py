"""DCGAN as tutorials have it, in one script that knows nothing of GenBench.

Networks are sequences of layers; the discriminator's loss is binary cross entropy in two backward passes; the
generator's turn looks at the same images.
"""

from collections.abc import Callable

import torch
from torch import Tensor, nn
from torch.optim import Adam


def _generator(latent_dim: int, width: int, channels: int) -> nn.Sequential:
    layers: list[nn.Module] = [nn.ConvTranspose2d(latent_dim, 8 * width, 4, bias=False)]
    for factor in (8, 4, 2):
        layers += [nn.BatchNorm2d(factor * width), nn.ReLU(True)]
        layers += [nn.ConvTranspose2d(factor * width, factor * width // 2, 4, 2, 1, bias=False)]
    layers += [nn.BatchNorm2d(width), nn.ReLU(True), nn.ConvTranspose2d(width, channels, 4, 2, 1), nn.Tanh()]
    return nn.Sequential(*layers)


def _discriminator(width: int, channels: int) -> nn.Sequential:
    layers: list[nn.Module] = [nn.Conv2d(channels, width, 4, 2, 1), nn.LeakyReLU(0.2, True)]
    for factor in (1, 2, 4):
        layers += [nn.Conv2d(factor * width, 2 * factor * width, 4, 2, 1, bias=False)]
        layers += [nn.BatchNorm2d(2 * factor * width), nn.LeakyReLU(0.2, True)]
    return nn.Sequential(*layers, nn.Conv2d(8 * width, 1, 4), nn.Sigmoid())


def dcgan_script(
    images: Tensor, batch_size: int, latent_dim: int, width: int, device: torch.device
) -> tuple[Callable[[], None], int]:
    """Return a training step on uint8 images (N, C, 64, 64), and how many parameters its networks have."""
    channels = images.shape[1]
    net_g, net_d = _generator(latent_dim, width, channels).to(device), _discriminator(width, channels).to(device)
    criterion = nn.BCELoss()
    optimizer_g, optimizer_d = (Adam(net.parameters(), 2e-4, (0.5, 0.999)) for net in (net_g, net_d))

    def step() -> None:
        real = images[torch.randint(0, len(images), (batch_size,))].to(device).float() / 127.5 - 1
        ones, zeros = torch.ones(batch_size, device=device), torch.zeros(batch_size, device=device)
        net_d.zero_grad()
        criterion(net_d(real).view(-1), ones).backward()
        fake = net_g(torch.randn(batch_size, latent_dim, 1, 1, device=device))
        criterion(net_d(fake.detach()).view(-1), zeros).backward()
        optimizer_d.step()
        net_g.zero_grad()
        criterion(net_d(fake).view(-1), ones).backward()
        optimizer_g.step()

    return step, sum(parameter.numel() for net in (net_g, net_d) for parameter in net.parameters())
