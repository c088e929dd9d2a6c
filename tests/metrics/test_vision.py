"""CLIP's encoder from a file in its own format, here with a small random network, and what is said without files."""

import hashlib
from pathlib import Path

import pytest
import torch
from torch import nn
from torch_fidelity.feature_extractor_clip import MODEL_METADATA, FeatureExtractorCLIP, VisionTransformer

from genbench.data.digits import Digits
from genbench.errors import UserError
from genbench.metrics.evaluator import Evaluator
from genbench.metrics.extractors import dinov2, load_extractor
from genbench.metrics.frechet import frechet_distance_of_features


class SmallCLIP(nn.Module):
    """What torch-fidelity reads of a CLIP: a vision transformer, and a projection of text that gives the width."""

    def __init__(self) -> None:
        super().__init__()
        self.visual = VisionTransformer(input_resolution=32, patch_size=8, width=64, layers=2, heads=1, output_dim=24)
        self.text_projection = nn.Parameter(torch.zeros(5, 24))


class Carrier(nn.Module):
    """Parameters by name in a TorchScript archive, as OpenAI distributes CLIP."""

    def __init__(self, module: nn.Module) -> None:
        super().__init__()
        for name, child in module.named_children():
            setattr(self, name, Carrier(child))
        for name, parameter in module.named_parameters(recurse=False):
            setattr(self, name, parameter)

    def forward(self) -> int:
        return 0


@pytest.fixture(scope="module")
def clip_file(tmp_path_factory: pytest.TempPathFactory) -> Path:
    torch.manual_seed(0)
    path = tmp_path_factory.mktemp("clip") / "clip.pt"
    torch.jit.script(Carrier(SmallCLIP())).save(str(path))
    return path


def test_clips_features_are_torch_fidelitys(clip_file: Path) -> None:
    images = torch.randint(0, 256, (4, 3, 20, 20), dtype=torch.uint8)
    (expected,) = FeatureExtractorCLIP("clip-vit-b-32", ["clip"], str(clip_file))(images)
    ours = load_extractor("clip", str(clip_file))
    features, logits = ours(images)
    assert torch.equal(features, expected)
    assert (ours.feature_dim, logits.shape) == (24, (4, 0))


def test_scores_by_clip_bear_its_name_and_know_no_classes(clip_file: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    digest = hashlib.sha256(clip_file.read_bytes()).hexdigest()
    assert load_extractor("clip", str(clip_file)).suffix == f"_clip_{digest[:8]}"
    monkeypatch.setitem(MODEL_METADATA["clip-vit-b-32"], "hash", digest)
    data = Digits(size=16)
    evaluator = Evaluator(count=10, extractor="clip", weights=str(clip_file), scores=None, kid_subset_size=50)
    evaluator.set_reference(data)
    values = evaluator.score_images(data.store("test").samples).values
    assert values["fid_clip"] >= 0
    assert all("_clip" in name for name in values)
    assert not any(name.startswith(("is_", "classes")) for name in values)
    evaluator = Evaluator(count=10, extractor="clip", weights=str(clip_file), scores=["is"])
    # It is said before an image is looked at.
    with pytest.raises(UserError, match=r"metrics\.scores=is: this extractor has no classes"):
        evaluator.set_reference(data)


def test_weights_that_are_not_there_are_named(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("TORCH_HOME", str(tmp_path))
    for name, file in [("clip", "clip-vit-b-32-40d365"), ("dinov2", "dinov2_vitb14_pretrain.pth")]:
        with pytest.raises(UserError, match=f"^{tmp_path}/hub/checkpoints/{file}.* is not there: .* download none"):
            load_extractor(name)  # type: ignore[arg-type]
    (tmp_path / "bad.pt").write_bytes(b"no archive")
    with pytest.raises(UserError, match=r"bad\.pt can't be read as weights"):
        load_extractor("clip", str(tmp_path / "bad.pt"))


class Stub(torch.nn.Module):
    """Stands in for torch-fidelity's DINOv2, which takes a network of 330 MB from torch.hub."""

    INPUT_IMAGE_SIZE = 4

    def __init__(self, name: str, features_list: list[str]) -> None:
        super().__init__()
        assert (name, features_list) == ("dinov2-vit-b-14", ["dinov2"])
        self.weight = torch.nn.Parameter(torch.ones(()))

    def forward(self, images: torch.Tensor) -> tuple[torch.Tensor]:
        return (images.flatten(1).float() * self.weight,)


def test_dinov2_is_that_of_torchs_cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("TORCH_HOME", str(tmp_path))
    monkeypatch.setattr(dinov2, "FeatureExtractorDinoV2", Stub)
    weights = tmp_path / "hub" / "checkpoints" / dinov2.DINOV2_FILE
    weights.parent.mkdir(parents=True)
    weights.write_bytes(b"weights")
    with pytest.raises(UserError, match=f"{dinov2.DINOV2_CODE} is not there"):
        load_extractor("dinov2")
    (tmp_path / "hub" / dinov2.DINOV2_CODE).mkdir()
    extractor = load_extractor("dinov2")
    assert (extractor.suffix, extractor.resize) == ("_dinov2", "bilinear as in TensorFlow 1, to 4 pixels")
    assert extractor.weights_sha256 == hashlib.sha256(b"weights").hexdigest()[:16]
    # Grey images become three channels.
    assert extractor.feature_dim == 3 * 4 * 4
    assert not any(parameter.requires_grad for parameter in extractor.parameters())
    assert not extractor.training
    grey = torch.arange(16, dtype=torch.uint8).view(1, 1, 4, 4)
    features, logits = extractor(grey)
    assert features.view(3, 16).equal(grey.float().view(1, 16).expand(3, 16))
    assert logits.shape == (1, 0)
    with pytest.raises(UserError, match=r"metrics\.weights is not for DINOv2"):
        load_extractor("dinov2", str(weights))


def test_a_score_by_an_extractor_of_its_own_stands_beside_the_others(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("TORCH_HOME", str(tmp_path))
    monkeypatch.setattr(dinov2, "FeatureExtractorDinoV2", Stub)
    monkeypatch.setattr(Stub, "INPUT_IMAGE_SIZE", 8)
    weights = tmp_path / "hub" / "checkpoints" / dinov2.DINOV2_FILE
    weights.parent.mkdir(parents=True)
    weights.write_bytes(b"weights")
    (tmp_path / "hub" / dinov2.DINOV2_CODE).mkdir()
    data = Digits(size=8)
    evaluator = Evaluator(count=50, scores=["fid", "fd_dinov2"])
    evaluator.set_reference(data)
    test = data.store("test").samples[:50]
    scores = evaluator.score_images(test)
    pixels = [images.expand(-1, 3, -1, -1).flatten(1).float() for images in (test, data.store("train").samples[:])]
    assert scores.values["fd_dinov2"] == pytest.approx(frechet_distance_of_features(*pixels), rel=1e-4)
    assert scores.values.keys() == {"fid_digits", "fd_dinov2"}
    assert scores.protocol["extractor"] == "digit classifier"
    assert scores.protocol["fd_dinov2"]["extractor"] == "dinov2-vit-b-14"
    assert scores.protocol["fd_dinov2"]["extractor_sha256"] == hashlib.sha256(b"weights").hexdigest()[:16]
    # Alone it takes no other extractor.
    monkeypatch.setattr("genbench.metrics.extractors.digits.load", lambda weights: pytest.fail("it loads"))
    alone = Evaluator(count=50, scores=["fd_dinov2"])
    alone.set_reference(data)
    assert alone.score_images(test).values == {"fd_dinov2": scores.values["fd_dinov2"]}
