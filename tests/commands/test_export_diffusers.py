"""What `export to=diffusers` writes draws the same images in diffusers' own pipelines, and comes back by `import`."""

import json
from pathlib import Path

import numpy as np
import pytest
from torch import Tensor

from genbench import api
from genbench.__main__ import main
from genbench.methods.denoising.base import DenoisingMethod
from genbench.randomness import Noise
from tests.commands.small_runs import TINY, run_of

diffusers = pytest.importorskip("diffusers")

NETWORK = [
    "network.denoiser.width=16",
    "network.denoiser.multipliers=[1,2]",
    "network.denoiser.attention=[4]",
    "network.denoiser.groups=8",
]
COUNT = 3


@pytest.fixture(scope="module")
def run(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A DDPM on digits, of a chain of 40 steps."""
    words = ["experiment=ddpm_digits", *TINY, *NETWORK, "method.process.steps=40", "network.denoiser.time_scale=40"]
    words += ["method.process.schedule=cosine", "method.prediction=v", "method.ema_decay=0.5", "steps=30"]
    return run_of(tmp_path_factory.mktemp("runs"), "tiny", *words)


@pytest.fixture(scope="module")
def exported(run: Path) -> Path:
    """The same for diffusers."""
    path = run.with_name("exported")
    assert main(["export", f"run={run}", f"path={path}", "to=diffusers"]) == 0
    return path


def drawn_here(run: Path, *words: str) -> np.ndarray:
    """Return images (N, H, W, C) in [-1, 1] from this noise."""
    opened = api.open_run(run, "device=cpu", *words)
    assert isinstance(opened.method, DenoisingMethod)
    return opened.method.sample(COUNT, noise=Noise(3)).permute(0, 2, 3, 1).numpy()


def drawn_there(exported: Path, kind: str, module: str, steps: int, monkeypatch: pytest.MonkeyPatch) -> np.ndarray:
    """Return the images of a pipeline whose noise is ours."""
    noise = Noise(3)

    def draw(shape: tuple[int, ...], **_: object) -> Tensor:
        return noise.normal(*shape)

    for place in (f"diffusers.pipelines.{module}", "diffusers.schedulers.scheduling_ddpm.randn_tensor"):
        monkeypatch.setattr(place, draw)
    pipeline = getattr(diffusers, kind).from_pretrained(str(exported))
    pipeline.set_progress_bar_config(disable=True)
    # As OpenAI's code and ours do it, and as the model card says.
    more = {"use_clipped_model_output": True} if kind == "DDIMPipeline" else {}
    images: np.ndarray = pipeline(batch_size=COUNT, num_inference_steps=steps, output_type="np", **more).images
    return 2 * images - 1


@pytest.mark.parametrize(
    ("kind", "module", "steps", "words"),
    [
        ("DDPMPipeline", "ddpm.pipeline_ddpm.randn_tensor", 40, ["sampler=ancestral"]),
        ("DDIMPipeline", "ddim.pipeline_ddim.randn_tensor", 10, ["sampler=ddim", "sampler.spacing=leading"]),
        ("DDIMPipeline", "ddim.pipeline_ddim.randn_tensor", 40, ["sampler=ddim"]),
    ],
)
def test_its_pipelines_draw_the_same_images_from_the_same_noise(
    run: Path, exported: Path, kind: str, module: str, steps: int, words: list[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    here = drawn_here(run, *words, f"sampler.steps={steps}")
    there = drawn_there(exported, kind, module, steps, monkeypatch)
    assert here.std() > 0.1
    np.testing.assert_allclose(here, there, atol=1e-4)


def test_it_comes_back_by_import(run: Path, exported: Path) -> None:
    words = ["experiment=ddpm_digits", "sampler=ddim", "sampler.steps=20"]
    assert main(["import", f"path={exported}", "source=diffusers", "out=back", *words]) == 0
    np.testing.assert_allclose(drawn_here(Path("back")), drawn_here(run, "sampler=ddim", "sampler.steps=20"), atol=1e-4)


def test_the_model_card_is_for_diffusers(exported: Path) -> None:
    card = (exported / "README.md").read_text()
    assert "library_name: diffusers" in card
    assert 'DDIMPipeline.from_pretrained("FOLDER")' in card
    assert json.loads((exported / "model_index.json").read_text())["unet"] == ["diffusers", "UNet2DModel"]


def test_what_diffusers_can_not_hold_is_said_and_leaves_nothing(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    gan = run_of(tmp_path, "gan", "method=gan", *TINY, "network=mlp", "steps=1")
    capsys.readouterr()
    assert main(["export", f"run={gan}", f"path={tmp_path / 'x'}", "to=diffusers"]) == 2
    (line,) = capsys.readouterr().err.strip().splitlines()
    assert "pipelines hold DDPMs of images" in line
    assert not (tmp_path / "x").exists()
