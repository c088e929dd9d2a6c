"""What makes steps faster and is off by default: what each of them does to the result."""

import csv
from functools import partial
from pathlib import Path
from typing import Any

import pytest
import torch
from lightning import Trainer
from lightning.pytorch.plugins.precision import MixedPrecision
from torch import Tensor, nn
from torch.utils.data import DataLoader

from genbench.__main__ import main
from genbench.batch import Batch
from genbench.losses import gradient_penalty, r1_penalty
from genbench.methods.adversarial.cgan import ConditionalGAN
from genbench.methods.adversarial.gan import GAN
from genbench.methods.adversarial.wgan import WGAN
from genbench.methods.adversarial.wgan_gp import WGANGP
from genbench.networks.dcgan import DCGANDiscriminator, DCGANGenerator
from tests.conftest import NETWORKS, Train
from tests.kinds import classes
from tests.methods.denoising import test_ddpm


def make(kind: Any, norm: Any = "none", **settings: Any) -> Any:
    torch.manual_seed(0)
    return kind(
        lambda latent_dim, image_shape: DCGANGenerator(latent_dim, image_shape, width=4),
        lambda image_shape: DCGANDiscriminator(image_shape, width=4, norm=norm),
        (1, 16, 16),
        latent_dim=6,
        generator_optimizer=torch.optim.Adam,
        discriminator_optimizer=torch.optim.Adam,
        **settings,
    )


@pytest.mark.parametrize("kind", [GAN, WGAN, WGANGP, "concatenation", "projection"])
def test_a_joint_pass_has_the_gradients_of_two(kind: Any) -> None:
    gradients = []
    for joint_pass in (False, True):
        build = partial(ConditionalGAN, condition=classes(5), joining=kind) if isinstance(kind, str) else kind
        gan = make(build, joint_pass=joint_pass)
        y = torch.arange(8) % 5 if isinstance(kind, str) else None
        torch.manual_seed(1)
        gan.discriminator_loss(Batch(torch.randn(8, 1, 16, 16), y))[0].backward()
        gradients.append([parameter.grad for parameter in gan.discriminator.parameters()])
    for one, other in zip(*gradients, strict=True):
        torch.testing.assert_close(one, other, rtol=1e-4, atol=1e-6)


def test_a_joint_pass_refuses_batch_norm() -> None:
    with pytest.raises(ValueError, match="joint_pass"):
        make(GAN, joint_pass=True, norm="batch")


def test_reused_samples_are_discriminated_twice_by_two_discriminators(monkeypatch: pytest.MonkeyPatch) -> None:
    gan = make(GAN, reuse_samples=True)
    seen: list[Tensor] = []
    discriminate = gan.discriminate
    monkeypatch.setattr(
        gan, "discriminate", lambda images, batch: (seen.append(images), discriminate(images, batch))[1]
    )
    before = [parameter.detach().clone() for parameter in gan.generator.parameters()]
    gan.before_turns(batch := Batch(torch.randn(4, 1, 16, 16), None))
    gan.discriminator_loss(batch)
    gan.generator_loss(batch)[0].backward()
    _, in_first_turn, in_second_turn = seen
    assert torch.equal(in_first_turn, in_second_turn)
    assert not in_first_turn.requires_grad
    assert in_second_turn.requires_grad
    assert all(parameter.grad is not None for parameter in gan.generator.parameters())
    assert all(torch.equal(a, b) for a, b in zip(before, gan.generator.parameters(), strict=True))


def test_reused_samples_train(train: Train, capsys: pytest.CaptureFixture[str]) -> None:
    train("steps=3", "method.reuse_samples=true", "callbacks.scores.every=3")
    assert "trained 3 steps" in capsys.readouterr().out
    train("steps=3", "method.reuse_samples=true", "method.discriminator_steps=2", status=2)
    assert "reuse_samples takes discriminator_steps=1" in capsys.readouterr().err


@pytest.mark.parametrize("penalty", ["r1", "gradient"])
def test_penalties_are_the_same_of_a_compiled_network(penalty: str) -> None:
    """What torch.compile makes can't be differentiated twice; "aot_eager" has that limit without a compiler's time."""
    torch.manual_seed(0)
    network = nn.Sequential(nn.Flatten(), nn.Linear(16, 8), nn.Tanh(), nn.Linear(8, 1))
    real, fake = torch.randn(4, 1, 4, 4), torch.randn(4, 1, 4, 4)
    found = []
    for compiled in (False, True):
        if compiled:
            network.compile(backend="aot_eager")
            network(real).sum().backward()
        network.zero_grad()
        value = (
            r1_penalty(network, real) if penalty == "r1" else gradient_penalty(network, real, fake, torch.ones(4) / 3)
        )
        value.backward()
        found.append(
            [
                value.detach(),
                *(parameter.grad.clone() for parameter in network.parameters() if parameter.grad is not None),
            ]
        )
    for one, other in zip(*found, strict=True):
        torch.testing.assert_close(one, other)


def test_compiled_runs_keep_their_names(train: Train, monkeypatch: pytest.MonkeyPatch) -> None:
    compiled: list[str] = []
    compile_whole = nn.Module.compile

    def compile_quickly(module: nn.Module) -> None:
        compiled.append(type(module).__name__)
        compile_whole(module, backend="aot_eager")

    monkeypatch.setattr(nn.Module, "compile", compile_quickly)
    folder = train("steps=4", "compile=true")
    assert compiled == ["MLPGenerator", "MLPDiscriminator", "AveragedNetwork"]
    assert main(["sample", f"run={folder}", "count=4"]) == 0
    assert len(compiled) == 3


@pytest.mark.parametrize("experiment", ["gan", "wgan_gp", "vae", "ddpm"])
def test_steps_in_bfloat16_are_near_those_in_float32(experiment: str) -> None:
    settings = {
        "gan": ["experiment=gan_digits", *NETWORKS["mlp"], "data.size=8", "data.batch_size=32"],
        "wgan_gp": ["experiment=gan_digits", "method=wgan_gp", *NETWORKS["mlp"], "data.size=8", "data.batch_size=32"],
        "vae": ["experiment=vae_digits", "network.autoencoder.width=8", "data.size=8", "data.batch_size=32"],
        "ddpm": ["experiment=ddpm_digits", "network.denoiser.width=16", "data.size=8", "data.batch_size=32"],
    }[experiment]
    alone = ["trainer.accelerator=cpu", "steps=5", "metrics=none", "callbacks.grid=null", "callbacks.nearest=null"]
    losses = {}
    for precision in ("32-true", "bf16-mixed"):
        run = [*settings, *alone, f"trainer.precision={precision}", "trainer.log_every_n_steps=5", f"name={precision}"]
        assert main(["train", *run]) == 0
        losses[precision] = last_row(precision)
    for name, value in losses["32-true"].items():
        if name.startswith("loss/"):
            assert losses["bf16-mixed"][name] == pytest.approx(value, rel=0.1, abs=0.05), name


def last_row(name: str) -> dict[str, float]:
    (table,) = Path("outputs", name).glob("*/metrics.csv")
    with table.open() as file:
        return {key: float(value) for key, value in list(csv.DictReader(file))[-1].items() if value}


def test_in_half_precision_gradients_are_measured_and_clipped_at_their_true_size() -> None:
    """On a CPU, with a scaler that takes losses times 2^16: the steps are those without one."""
    moved, norms = [], []
    for scaled in (False, True):
        method = test_ddpm.make(clip=0.01, optimizer=partial(torch.optim.SGD, lr=1.0))
        plugin = MixedPrecision("16-mixed", "cpu", torch.amp.GradScaler("cpu"))
        # Only the scale is under test.
        plugin.autocast_context_manager = lambda: torch.autocast("cpu", enabled=False)  # type: ignore[method-assign]
        trainer = Trainer(
            accelerator="cpu", max_steps=2, max_epochs=-1, log_every_n_steps=1, plugins=[plugin] if scaled else None,
            logger=False, enable_checkpointing=False, enable_progress_bar=False, enable_model_summary=False,
        )  # fmt: skip
        batch = Batch(torch.rand(8, *test_ddpm.SHAPE, generator=torch.Generator().manual_seed(1)), torch.zeros(8))
        torch.manual_seed(3)
        trainer.fit(method, DataLoader([batch, batch], batch_size=None))
        moved.append([parameter.detach().clone() for parameter in method.denoiser.parameters()])
        norms.append(float(trainer.callback_metrics["gradient/denoiser"]))
    assert norms[0] > 0.1
    assert norms[1] == pytest.approx(norms[0], rel=1e-4)
    for one, other in zip(*moved, strict=True):
        torch.testing.assert_close(one, other, rtol=1e-4, atol=1e-7)
