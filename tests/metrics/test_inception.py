"""Inception and the scores by it beside torch-fidelity, on the same images and the same random weights."""

import hashlib
import pickle
from pathlib import Path

import numpy as np
import pytest
import torch
import torch_fidelity
from PIL import Image
from torch_fidelity.feature_extractor_inceptionv3 import FeatureExtractorInceptionV3
from torch_fidelity.interpolate_compat_tensorflow import interpolate_bilinear_2d_like_tensorflow1x

from genbench.data.base import DataSet, Split
from genbench.data.store import SampleStore
from genbench.errors import UserError
from genbench.medium import Images
from genbench.metrics.evaluator import Evaluator
from genbench.metrics.extractors import inception
from genbench.metrics.extractors.inception import Inception, resize_like_tensorflow
from genbench.score_names import better, plain_score
from tests.data.distributed import crop
from tests.metrics.inception_weights import write_random_weights


@pytest.fixture(scope="module")
def weights(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write_random_weights(tmp_path_factory.mktemp("weights") / "inception.pth")


@pytest.fixture
def published(weights: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Let the random weights be those that FID is defined by."""
    monkeypatch.setattr(inception, "_SHA256", hashlib.sha256(weights.read_bytes()).hexdigest())


def images(count: int, side: int, channels: int, first: int = 0) -> torch.Tensor:
    """Return crops of photographs, the second set somewhat darker than the first."""
    mode = {1: "L", 3: "RGB"}[channels]
    pixels = [np.asarray(crop(first + index, side, side).convert(mode)) for index in range(count)]
    stacked = torch.from_numpy(np.stack(pixels)).view(count, side, side, channels).permute(0, 3, 1, 2)
    return stacked if first == 0 else (stacked * 0.8).byte()


class Photographs(DataSet):
    """A data set of given images."""

    name = "photographs"

    def __init__(self, pixels: torch.Tensor) -> None:
        super().__init__(8, 0)
        self.medium = Images(pixels.shape[1:])
        self.pixels = pixels

    def load(self, split: Split) -> SampleStore:
        return SampleStore(self.pixels)


class Listed(torch.utils.data.Dataset[torch.Tensor]):
    """What torch-fidelity reads: uint8 images of three channels."""

    def __init__(self, pixels: torch.Tensor) -> None:
        self.pixels = pixels.expand(-1, 3, -1, -1).contiguous()

    def __len__(self) -> int:
        return len(self.pixels)

    def __getitem__(self, index: int) -> torch.Tensor:
        return self.pixels[index]


@pytest.mark.parametrize("side", [16, 32, 64, 299, 300])
def test_the_resize_is_tensorflows(side: int) -> None:
    pixels = images(2, side, 3)
    expected = interpolate_bilinear_2d_like_tensorflow1x(pixels.float(), size=(299, 299), align_corners=False)
    torch.testing.assert_close(resize_like_tensorflow(pixels, 299), expected, rtol=1e-6, atol=1e-4)


@pytest.mark.parametrize(("side", "channels"), [(32, 3), (64, 1)])
def test_features_and_logits_are_torch_fidelitys(weights: Path, side: int, channels: int) -> None:
    pixels = images(4, side, channels)
    theirs = FeatureExtractorInceptionV3("theirs", ["2048", "logits_unbiased"], str(weights))
    expected = theirs(pixels.expand(-1, 3, -1, -1))
    for ours, value in zip(Inception(str(weights))(pixels), expected, strict=True):
        assert float((ours - value).abs().max() / value.abs().max()) < 1e-5


def test_the_published_weights_are_known_by_their_hash(
    weights: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    assert inception._SHA256.startswith(Path(inception.WEIGHTS_NAME).stem.rpartition("-")[2])
    found = hashlib.sha256(weights.read_bytes()).hexdigest()
    other = Inception(str(weights))
    assert other.suffix == f"_inception_{found[:8]}"
    assert found[:8] in other.name
    assert f"begins with {found[:8]}, not 6726825d" in capsys.readouterr().err
    # The scores' good ends and plain names stay known.
    assert (plain_score(f"fid{other.suffix}"), better(f"is{other.suffix}")) == ("fid", "max")
    monkeypatch.setattr(inception, "_SHA256", found)
    known = Inception(str(weights))
    assert (known.suffix, known.name) == ("", "inception")
    assert capsys.readouterr().err == ""


@pytest.mark.usefixtures("published")
def test_scores_are_torch_fidelitys(weights: Path) -> None:
    # Whatever the size and the channels, features are theirs; see above.
    generated, real = images(20, 32, 3, first=1000), images(24, 32, 3)
    evaluator = Evaluator(
        count=20,
        extractor="inception",
        weights=str(weights),
        scores=["fid", "is", "kid", "neighbours"],
        kid_subsets=5,
        kid_subset_size=15,
    )
    evaluator.set_reference(Photographs(real))
    ours = evaluator.score_images(generated).values
    theirs = torch_fidelity.calculate_metrics(
        input1=Listed(generated),
        input2=Listed(real),
        feature_extractor="inception-v3-compat",
        feature_extractor_weights_path=str(weights),
        cuda=False,
        save_cpu_ram=True,
        isc=True,
        fid=True,
        kid=True,
        prc=True,
        kid_subsets=5,
        kid_subset_size=15,
        verbose=False,
        cache=False,
    )
    for name, key in [
        ("fid", "frechet_inception_distance"),
        ("is", "inception_score_mean"),
        ("is_std", "inception_score_std"),
        ("kid", "kernel_inception_distance_mean"),
        ("kid_std", "kernel_inception_distance_std"),
        ("precision", "precision"),
        ("recall", "recall"),
    ]:
        # On some CPUs rounding brings one image to the other side of a ball.
        one_image = 1.01 / 30 if name in ("precision", "recall") else 0.0
        assert ours[name] == pytest.approx(theirs[key], rel=1e-4, abs=one_image), name


def test_weights_that_would_run_code_are_refused(tmp_path: Path) -> None:
    class Trap:
        def __reduce__(self) -> tuple:
            return Path.touch, (tmp_path / "sprung",)

    torch.save({"weight": Trap()}, tmp_path / "trap.pth")
    (tmp_path / "plain.pth").write_bytes(pickle.dumps(Trap()))
    for name in ("trap.pth", "plain.pth"):
        with pytest.raises(UserError, match=rf"{name} can't be read as weights"):
            Inception(str(tmp_path / name))
    assert not (tmp_path / "sprung").exists()


def test_other_weights_and_none_are_named(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    torch.save({"layer.weight": torch.zeros(3)}, tmp_path / "other.pth")
    with pytest.raises(UserError, match=r"other\.pth holds no weights of FID's Inception"):
        Inception(str(tmp_path / "other.pth"))
    with pytest.raises(UserError, match=r"metrics\.weights=nowhere"):
        Inception("nowhere")
    monkeypatch.setenv("TORCH_HOME", str(tmp_path))

    def refuse(*arguments: object, **settings: object) -> None:
        raise OSError("no network")

    monkeypatch.setattr(torch.hub, "download_url_to_file", refuse)
    with pytest.raises(UserError, match=r"6726825d.*metrics=digits needs no file"):
        Inception()
    place = tmp_path / "hub" / "checkpoints" / "weights-inception-2015-12-05-6726825d.pth"

    def download(url: str, path: str, sha256: str, progress: bool) -> None:
        assert (url, path, sha256[:8], progress) == (inception.URL_INCEPTION_V3, str(place), "6726825d", True)
        assert place.parent.is_dir()
        write_random_weights(Path(path))

    monkeypatch.setattr(torch.hub, "download_url_to_file", download)
    fresh = Inception()
    assert len(fresh.weights_sha256) == 16
    # What is there is not fetched again.
    monkeypatch.setattr(torch.hub, "download_url_to_file", refuse)
    assert Inception().weights_sha256 == fresh.weights_sha256
    # Protocols say so, and scores of another resize stand apart.
    assert fresh.resize == "bilinear as in TensorFlow 1, to 299 pixels"


@pytest.mark.usefixtures("published")
def test_a_picture_is_what_torch_fidelity_reads_from_disk(weights: Path, tmp_path: Path) -> None:
    """Grey PNGs become three channels there as here."""
    pixels = images(12, 32, 1)
    for index, image in enumerate(pixels):
        Image.fromarray(image[0].numpy()).save(tmp_path / f"{index:03d}.png")
    theirs = torch_fidelity.calculate_metrics(
        input1=str(tmp_path),
        feature_extractor_weights_path=str(weights),
        cuda=False,
        save_cpu_ram=True,
        isc=True,
        verbose=False,
    )
    evaluator = Evaluator(count=12, extractor="inception", weights=str(weights), scores=["is"])
    evaluator.set_reference(Photographs(pixels))
    assert evaluator.score_images(pixels).values["is"] == pytest.approx(theirs["inception_score_mean"], rel=1e-4)
