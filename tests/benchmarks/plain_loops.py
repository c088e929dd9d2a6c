"""Training steps as anyone would write them in plain PyTorch, over GenBench's own networks.

Each function takes a method, for its networks and settings, the training images (uint8) and how to move an optimizer,
and returns a step, which does not hold the method itself: that has an average of its own, whose memory would count.
"""

from collections.abc import Callable
from functools import partial
from typing import Any

import torch
from torch import Tensor
from torch.nn.functional import cross_entropy, l1_loss, normalize, softplus
from torch.optim import Adam, AdamW, Optimizer
from torch.optim.swa_utils import AveragedModel, get_ema_multi_avg_fn

from genbench.data.base import DataSet

Step = Callable[[], None]
Move = Callable[..., None]
"""Move an optimizer down a loss, by gradients clipped to a norm if one is given."""


def _images(data: DataSet, device: torch.device) -> Callable[[], Tensor]:
    images = data.store("train").samples

    def draw() -> Tensor:
        return _scaled(images[torch.randint(0, len(images), (data.batch_size,))], device)

    return draw


def _scaled(images: Tensor, device: torch.device) -> Tensor:
    if device.type == "cuda":
        images = images.pin_memory()
    return images.to(device, non_blocking=True).float() / 127.5 - 1


def _average(network: torch.nn.Module, decay: float) -> AveragedModel:
    return AveragedModel(network, multi_avg_fn=get_ema_multi_avg_fn(decay), use_buffers=True)


def move(optimizer: Optimizer, loss: Tensor, clip: float | None = None) -> None:
    """Take a step in float32 or bfloat16."""
    optimizer.zero_grad()
    loss.backward()
    if clip is not None:
        torch.nn.utils.clip_grad_norm_(_parameters(optimizer), clip)
    optimizer.step()


class ScaledMove:
    """Take steps in float16, whose small gradients would vanish without a scale."""

    def __init__(self, device: torch.device) -> None:
        self._scaler = torch.amp.GradScaler(device.type)

    def __call__(self, optimizer: Optimizer, loss: Tensor, clip: float | None = None) -> None:
        """Take a step."""
        optimizer.zero_grad()
        self._scaler.scale(loss).backward()
        if clip is not None:
            self._scaler.unscale_(optimizer)
            torch.nn.utils.clip_grad_norm_(_parameters(optimizer), clip)
        self._scaler.step(optimizer)
        self._scaler.update()


def _parameters(optimizer: Optimizer) -> list[Tensor]:
    return [parameter for group in optimizer.param_groups for parameter in group["params"]]


def gan(method: Any, data: DataSet, move: Move = move) -> Step:
    """Non-saturating, a step of each player."""
    generator, discriminator = method.generator.train(), method.discriminator.train()
    batch, latent_dim = _images(data, method.device), method.latent_dim
    average = _average(generator, 0.999)
    optimizer_d = Adam(discriminator.parameters(), 1e-4, (0.5, 0.999))
    optimizer_g = Adam(generator.parameters(), 2e-4, (0.5, 0.999))

    def step() -> None:
        x = batch()
        with torch.no_grad():
            fake = generator(torch.randn(len(x), latent_dim, device=x.device))
        loss = softplus(-discriminator(x)).mean() + softplus(discriminator(fake)).mean()
        move(optimizer_d, loss)
        discriminator.requires_grad_(False)
        loss = softplus(-discriminator(generator(torch.randn(len(x), latent_dim, device=x.device)))).mean()
        move(optimizer_g, loss)
        discriminator.requires_grad_(True)
        average.update_parameters(generator)

    return step


def wgan_gp(method: Any, data: DataSet, move: Move = move) -> Step:
    """A step of the critic with its penalty; every n-th time one of the generator."""
    generator, critic = method.generator.train(), method.discriminator.train()
    batch, latent_dim = _images(data, method.device), method.latent_dim
    average = _average(generator, 0.99)
    optimizer_d = Adam(critic.parameters(), 2e-4, (0.0, 0.9))
    optimizer_g = Adam(generator.parameters(), 2e-4, (0.0, 0.9))
    done, every = [0], method.discriminator_steps

    def step() -> None:
        x = batch()
        with torch.no_grad():
            fake = generator(torch.randn(len(x), latent_dim, device=x.device))
        share = torch.rand(len(x), 1, 1, 1, device=x.device)
        between = (share * x + (1 - share) * fake.float()).requires_grad_()
        # In float32, and by the network itself: what is compiled can't be differentiated twice.
        with torch.autocast(x.device.type, enabled=False), torch.compiler.set_stance("force_eager"):
            (slope,) = torch.autograd.grad(critic(between).sum(), between, create_graph=True)
            penalty = (slope.flatten(1).norm(dim=1) - 1).square().mean()
        loss = critic(fake).mean() - critic(x).mean() + 10 * penalty
        move(optimizer_d, loss)
        done[0] += 1
        if done[0] % every == 0:
            critic.requires_grad_(False)
            loss = -critic(generator(torch.randn(len(x), latent_dim, device=x.device))).mean()
            move(optimizer_g, loss)
            critic.requires_grad_(True)
            average.update_parameters(generator)

    return step


def stylegan(method: Any, data: DataSet, move: Move = move) -> Step:
    """Non-saturating, with mixed styles; R1 and path lengths as steps of their own, each every few steps."""
    generator, discriminator = method.generator.train(), method.discriminator.train()
    batch, latent_dim, layers = _images(data, method.device), method.latent_dim, method.layers
    gamma, every_d, every_g = method.r1, method.r1_every, method.path_length_every
    average = _average(generator, 0.997)
    optimizer_d = Adam(discriminator.parameters(), 2e-3, (0.0, 0.99))
    optimizer_g = Adam(generator.parameters(), 2e-3, (0.0, 0.99))
    done, path_mean = [0], torch.zeros((), device=method.device)

    def styles(count: int) -> Tensor:
        w, other = (generator.mapping(torch.randn(count, latent_dim, device=method.device)) for _ in range(2))
        generator.mean_style.lerp_(w.detach().mean(0), 0.005)
        cut = torch.randint(1, layers, (count, 1, 1), device=w.device)
        cut = torch.where(torch.rand(count, 1, 1, device=w.device) < 0.9, cut, layers)
        return torch.where(torch.arange(layers, device=w.device)[:, None] < cut, w[:, None], other[:, None])

    def step() -> None:
        x, lazy = batch(), done[0]
        done[0] += 1
        with torch.no_grad():
            fake = generator.synthesise(styles(len(x)))
        move(optimizer_d, softplus(-discriminator(x)).mean() + softplus(discriminator(fake)).mean())
        if lazy % every_d == 0:
            x.requires_grad_()
            (slope,) = torch.autograd.grad(discriminator(x).sum(), x, create_graph=True)
            move(optimizer_d, every_d * gamma / 2 * slope.square().sum((1, 2, 3)).mean())
        discriminator.requires_grad_(False)
        if lazy % every_g == 0:
            w = styles(len(x) // 2)
            images = generator.synthesise(w)
            noise = torch.randn_like(images) / (images.shape[2] * images.shape[3]) ** 0.5
            (slope,) = torch.autograd.grad((images * noise).sum(), w, create_graph=True)
            lengths = slope.square().sum(2).mean(1).sqrt()
            path_mean.lerp_(lengths.detach().mean(), 0.01)
            move(optimizer_g, every_g * 2 * (lengths - path_mean).square().mean())
        move(optimizer_g, softplus(-discriminator(generator.synthesise(styles(len(x))))).mean())
        discriminator.requires_grad_(True)
        average.update_parameters(generator)

    return step


def pix2pix(method: Any, data: DataSet, move: Move = move) -> Step:
    """Translate, judge beside the source, L1."""
    generator, discriminator = method.generator.train(), method.discriminator.train()
    store: Any = data.store("train")
    targets, sources, device = store.samples, store.conditions, method.device
    average = _average(generator, 0.999)
    optimizer_d = Adam(discriminator.parameters(), 2e-4, (0.5, 0.999))
    optimizer_g = Adam(generator.parameters(), 2e-4, (0.5, 0.999))

    def step() -> None:
        chosen = torch.randint(0, len(targets), (data.batch_size,))
        y, x = (_scaled(images[chosen], device) for images in (targets, sources))
        with torch.no_grad():
            fake = generator(x)
        real_logits, fake_logits = (discriminator(torch.cat([x, image], 1)) for image in (y, fake))
        loss = (softplus(-real_logits).mean() + softplus(fake_logits).mean()) / 2
        move(optimizer_d, loss)
        discriminator.requires_grad_(False)
        fake = generator(x)
        loss = softplus(-discriminator(torch.cat([x, fake], 1))).mean() + 100 * l1_loss(fake, y)
        move(optimizer_g, loss)
        discriminator.requires_grad_(True)
        average.update_parameters(generator)

    return step


def cyclegan(method: Any, data: DataSet, move: Move = move) -> Step:
    """There and back in both directions, each against a discriminator that is also shown older images."""
    translators = method.generator.train()
    forth, back = translators, partial(translators, back=True)
    d_x, d_y = (method.discriminator[name].train() for name in "xy")
    pool_x, pool_y, device = method.pool_x, method.pool_y, method.device
    store: Any = data.store("train")
    targets, sources = store.samples, store.conditions
    average = _average(translators, 0.999)
    optimizer_d = Adam([*d_x.parameters(), *d_y.parameters()], 2e-4, (0.5, 0.999))
    optimizer_g = Adam(translators.parameters(), 2e-4, (0.5, 0.999))
    discriminators = method.discriminator

    def step() -> None:
        chosen = torch.randint(0, len(targets), (data.batch_size,))
        y, x = (_scaled(images[chosen], device) for images in (targets, sources))
        with torch.no_grad():
            x_old, y_old = pool_x.exchange(back(y)), pool_y.exchange(forth(x))
        pairs = [(d_x(x), d_x(x_old)), (d_y(y), d_y(y_old))]
        loss = torch.stack([((real - 1).square().mean() + fake.square().mean()) / 2 for real, fake in pairs]).sum()
        move(optimizer_d, loss)
        discriminators.requires_grad_(False)
        x_fake, y_fake = back(y), forth(x)
        loss = (d_x(x_fake) - 1).square().mean() + (d_y(y_fake) - 1).square().mean()
        loss = loss + 10 * (l1_loss(back(y_fake), x) + l1_loss(forth(x_fake), y))
        loss = loss + 5 * (l1_loss(forth(y), y) + l1_loss(back(x), x))
        move(optimizer_g, loss)
        discriminators.requires_grad_(True)
        average.update_parameters(translators)

    return step


def ddpm(method: Any, data: DataSet, move: Move = move) -> Step:
    """Predict the noise at a random step of a thousand."""
    network, batch = method.denoiser.train(), _images(data, method.device)
    average = _average(network, 0.995)
    optimizer = Adam(network.parameters(), 1e-3)
    times = torch.arange(1001, device=method.device) / 1000
    alpha_bar = torch.cos((times + 0.008) / 1.008 * torch.pi / 2).square()
    alpha_bar = (alpha_bar / alpha_bar[0]).clamp(1e-5, 1)

    def step() -> None:
        x_0 = batch()
        t = torch.randint(1, 1001, (len(x_0),), device=x_0.device)
        eps = torch.randn_like(x_0)
        share = alpha_bar[t].view(-1, 1, 1, 1)
        x_t = share.sqrt() * x_0 + (1 - share).sqrt() * eps
        loss = (network(x_t, t / 1000) - eps).square().mean()
        move(optimizer, loss, clip=1.0)
        average.update_parameters(network)

    return step


def clip(method: Any, data: DataSet, move: Move = move) -> Step:
    """Contrast the images of a batch with its texts."""
    towers, prepare = method.towers.train(), method.preprocess
    image, text, log_scale = towers.image, towers.text, towers.log_scale
    store: Any = data.store("train")
    images, rows, device = store.samples, store.conditions, method.device
    average = _average(towers, 0.999)
    parameters = [*towers.parameters()]
    groups = [
        {"params": [each for each in parameters if each.ndim > 1], "weight_decay": 0.2},
        {"params": [each for each in parameters if each.ndim < 2], "weight_decay": 0.0},
    ]
    optimizer = AdamW(groups, 5e-4, (0.9, 0.98), 1e-6)

    def step() -> None:
        chosen = torch.randint(0, len(images), (data.batch_size,))
        x = normalize(image(prepare(_scaled(images[chosen], device))), dim=1)
        y = normalize(text(rows[chosen].long().to(device)), dim=1)
        logits = log_scale.exp() * x @ y.T
        own = torch.arange(len(x), device=device)
        move(optimizer, (cross_entropy(logits, own) + cross_entropy(logits.T, own)) / 2)
        with torch.no_grad():
            log_scale.clamp_(max=4.6052)
        average.update_parameters(towers)

    return step


LOOPS: dict[str, tuple[list[str], Callable[..., Step]]] = {
    "gan": (["experiment=gan_mnist", "data=digits"], gan),
    "wgan_gp": (["experiment=wgan_gp_mnist", "data=digits"], wgan_gp),
    # Both penalties once in each turn of five steps.
    "stylegan": (
        [
            "experiment=stylegan_digits",
            "method.adaptive.target=null",
            "method.r1_every=5",
            "method.path_length_every=5",
        ],
        stylegan,
    ),
    "pix2pix": (["experiment=pix2pix_edges2digits", "data.source=digits"], pix2pix),
    # At a constant rate: a schedule would end before the measurement does.
    "cyclegan": (
        ["experiment=cyclegan_digits", "data.domains=digits_tilted", "schedule@method.schedule=constant"],
        cyclegan,
    ),
    "ddpm": (["experiment=ddpm_digits"], ddpm),
    "clip": (
        ["experiment=clip_captioned_digits", "method.positives=diagonal", "schedule@method.schedule=constant"],
        clip,
    ),
}
"""The settings of each method, on scikit-learn's digits, which need no files, and its plain loop."""
