"""Scores of samples that have a target each, against closed forms and torchmetrics."""

from pathlib import Path

import pytest
import torch
from torch import Tensor
from torchmetrics.functional.image import learned_perceptual_image_patch_similarity as lpips
from torchmetrics.functional.image import structural_similarity_index_measure as ssim
from torchvision.models import alexnet

from genbench.errors import UserError
from genbench.images import to_float
from genbench.lpips import BACKBONES
from genbench.medium import Images, Points
from genbench.metrics.material import Material, Picked
from genbench.metrics.score import Setting
from genbench.metrics.scores import make_scores

BACKBONE_FILE = BACKBONES["alex"].file


def noise(count: int, side: int, channels: int = 3, seed: int = 0) -> Tensor:
    generator = torch.Generator().manual_seed(seed)
    return torch.randint(0, 256, (count, channels, side, side), generator=generator, dtype=torch.uint8)


def compute(name: str, samples: Tensor, targets: Tensor, rows: Tensor | None = None) -> float:
    """Return the one figure of a score."""
    picked = Picked(targets, torch.arange(len(targets)) if rows is None else rows)
    (score,) = make_scores([name], {})
    (value,) = score.compute(Material(len(samples), samples=samples, targets=picked)).values()
    return value


def test_the_ratio_to_the_peak_is_the_mean_of_each_images_own() -> None:
    targets = torch.full((2, 1, 4, 4), 100, dtype=torch.uint8)
    samples = targets + torch.tensor([5, 50], dtype=torch.uint8).view(2, 1, 1, 1)
    expected = sum(20 * torch.tensor(255 / error).log10().item() for error in (5, 50)) / 2
    assert compute("psnr", samples, targets) == pytest.approx(expected)
    # Differences are of levels, not of what is left of them in a byte.
    assert compute("psnr", targets, samples) == pytest.approx(expected)
    # An image that equals its target is as if it were rounded.
    assert compute("psnr", targets, targets) == pytest.approx(58.92, abs=0.01)


def test_similarity_is_torchmetrics_mean_over_images() -> None:
    # More than one batch.
    samples, targets = noise(70, 12), noise(70, 12, seed=1)
    targets[:30] = samples[:30]
    expected = ssim(samples / 255, targets / 255, data_range=1.0)
    assert compute("ssim", samples, targets) == pytest.approx(float(expected), rel=1e-5)
    error = (to_float(samples) - to_float(targets)).abs().mean()
    assert compute("mae", samples, targets) == pytest.approx(float(error), rel=1e-6)


def test_ssim_of_flat_images_is_a_formula_of_their_intensities() -> None:
    # (2 x y + C_1) / (x^2 + y^2 + C_1) with C_1 = 0.01^2, intensities on [0, 1] (Wang et al. 2004, equation 6).
    for one, other in ((0, 255), (51, 204), (255, 255)):
        flat = [torch.full((3, 1, 16, 16), level, dtype=torch.uint8) for level in (one, other)]
        x, y = one / 255, other / 255
        expected = (2 * x * y + 1e-4) / (x**2 + y**2 + 1e-4)
        assert compute("ssim", *flat) == pytest.approx(expected, abs=1e-4)


def test_each_sample_is_compared_with_its_own_target() -> None:
    targets, rows = noise(20, 6), torch.tensor([3, 3, 19, 0])
    assert compute("mae", targets[rows], targets, rows) == 0
    assert compute("mae", targets[rows], targets, rows.flip(0)) > 0.1


@pytest.fixture
def backbone(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Put an AlexNet of random weights where torchvision keeps the published one."""
    torch.manual_seed(0)
    weights = {name: t for name, t in alexnet().state_dict().items() if name.startswith("features.")}
    path = tmp_path / "hub" / "checkpoints" / BACKBONE_FILE
    path.parent.mkdir(parents=True)
    torch.save(weights, path)
    monkeypatch.setenv("TORCH_HOME", str(tmp_path))
    return path


def test_perceptual_distance_is_torchmetrics_with_these_weights(
    backbone: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    samples, targets = noise(3, 40), noise(3, 40, seed=1)
    found = compute("lpips", samples, targets)

    def features(net: str, pretrained: bool) -> torch.nn.Module:
        network = alexnet()
        network.load_state_dict(torch.load(backbone, weights_only=True), strict=False)
        return network.features

    monkeypatch.setattr("torchmetrics.functional.image.lpips._get_tv_model_features", features)
    expected = lpips(to_float(samples), to_float(targets), net_type="alex")
    assert found == pytest.approx(float(expected), rel=1e-5)
    assert found > 0
    assert compute("lpips", samples, samples) == pytest.approx(0, abs=1e-7)
    grey = noise(2, 40, channels=1), noise(2, 40, channels=1, seed=1)
    colour = [images.expand(-1, 3, -1, -1) for images in grey]
    assert compute("lpips", *grey) == pytest.approx(compute("lpips", *colour))


def test_weights_that_are_not_there_are_named_and_not_downloaded(
    backbone: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("torch.hub.download_url_to_file", lambda *arguments: pytest.fail("it downloads"))
    backbone.write_bytes(b"no weights")
    with pytest.raises(UserError, match=f"{BACKBONE_FILE} can't be read as weights"):
        make_scores(["lpips"], {})
    backbone.unlink()
    with pytest.raises(UserError, match=f"^{backbone} is not there: .* download none"):
        make_scores(["lpips"], {})


def test_what_has_no_targets_or_is_no_image_is_said(backbone: Path) -> None:
    paired = Setting(64, None, 0, 0, None, medium=Images((3, 30, 40)), method=object(), has_targets=True)
    psnr, perceptual = make_scores(["psnr", "lpips"], {})
    assert psnr.unsuited(paired) is None
    assert "at least 31 pixels" in str(perceptual.unsuited(paired))
    assert "target" in str(psnr.unsuited(Setting(64, None, 0, 0, None, medium=Images((3, 30, 40)))))
    assert "images" in str(psnr.unsuited(Setting(64, None, 0, 0, None, medium=Points((9, 2)), has_targets=True)))
