"""`make quality` in a tiny form: both train, draw and are scored."""

from functools import partial

import pytest

from tests.benchmarks.quality_speed import EXPERIMENTS, compare
from tests.benchmarks.tutorial_scripts import SCRIPTS, ddpm

NARROW = ["network.generator.width=4", "network.discriminator.width=4"]
SMALL: dict[str, list[str]] = {
    "gan": [],
    "dcgan": NARROW,
    "wgan_gp": [*NARROW, "method.generator_optimizer.lr=1e-5"],
    "ddpm": ["data.batch_size=8", "network.denoiser.width=8", "network.denoiser.blocks=1", "sampler.steps=2"],
}


@pytest.mark.parametrize("name", list(SCRIPTS))
def test_both_are_scored_after_equal_seconds(
    name: str, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setitem(SCRIPTS, "ddpm", partial(ddpm, steps=2))
    words = ["trainer.accelerator=cpu", *SMALL[name]]
    found = compare([name], 0.0, 80, words, data="digits")[name]
    assert found["steps"] == found["script_steps"] == 1
    assert found["genbench"] > 0
    assert found["ratio"] == pytest.approx(found["genbench"] / found["script"])
    assert f"| {name}: `{' '.join(EXPERIMENTS[name])}` |" in capsys.readouterr().out


def test_every_script_stands_beside_an_experiment() -> None:
    assert EXPERIMENTS.keys() == SCRIPTS.keys()
