"""Published CLIPs: carried over from open_clip's own models, features are equal; Hugging Face's layout fits."""

import json
import logging
from pathlib import Path
from typing import Any

import pytest
import torch
from PIL import Image
from safetensors.torch import save_file
from torch import Tensor, nn

from genbench.__main__ import main
from genbench.commands.import_weights import _settings, fill
from genbench.config import as_overrides
from genbench.errors import UserError
from genbench.published.reading import tensors_of
from genbench.published.source import Archive, Published
from genbench.published.sources import make, names
from tests.published.building import built, lively

open_clip = pytest.importorskip("open_clip")

VIT = {"image_size": 32, "layers": 2, "width": 64, "patch_size": 8, "head_width": 16}
RESNET = {"image_size": 64, "layers": [1, 2, 1, 1], "width": 8}
TEXT = {"context_length": 12, "vocab_size": 49408, "width": 32, "heads": 2, "layers": 2}


def theirs(vision: dict[str, Any], *, quick: bool = True) -> tuple[Any, dict[str, Any]]:
    """Return open_clip's model of a configuration, with random weights, and the configuration."""
    config = {"embed_dim": 16, "quick_gelu": quick, "vision_cfg": vision, "text_cfg": TEXT}
    model = lively(open_clip.CLIP(**config))
    for module in model.modules():
        if isinstance(module, nn.BatchNorm2d):
            module.running_mean.normal_(std=0.1)
            module.running_var.uniform_(0.5, 2.0)
            nn.init.uniform_(module.weight, 0.5, 1.5)
    return model, {"model_cfg": config, "preprocess_cfg": {"mean": [0.4, 0.5, 0.6], "std": [0.3, 0.2, 0.1]}}


def texts() -> Tensor:
    tokenizer = open_clip.get_tokenizer("ViT-B-32", context_length=12)
    return tokenizer(["a photo of a cat", "", "hello world! it's 2021"])


def imported(published: Published) -> Any:
    """Return the method of a published model, whose averaged weights are the file's too."""
    method = built(published)
    fill(method, published, published.experiment)
    return method


def check_equal(method: Any, model: Any, side: int) -> None:
    """Check that features of images and texts, and the scale, are those of open_clip's model."""
    x = torch.rand(3, 3, side, side) * 2 - 1
    mean, std = (getattr(method.preprocess, name) for name in ("mean", "std"))
    with torch.no_grad():
        images, expected_images = method.embed_images(x), model.encode_image(((x + 1) / 2 - mean) / std)
        of_texts, expected_texts = method.embed_texts(texts()), model.encode_text(texts())
    for ours, there in ((images, expected_images), (of_texts, expected_texts)):
        torch.testing.assert_close(ours, there, rtol=1e-5, atol=1e-5)
    assert expected_images.std(0).min() > 1e-3
    assert method.logit_scale == pytest.approx(model.logit_scale.exp().item())


def converted(archive: Archive) -> Published:
    """Return an archive in GenBench's words, by the one source that recognises it."""
    (kind,) = [name for name in names() if recognises(name, archive)]
    return make(kind).convert(archive)


def recognises(name: str, archive: Archive) -> bool:
    try:
        return make(name).recognises(archive)
    except (AttributeError, KeyError, TypeError):
        return False


@pytest.mark.parametrize(("vision", "quick", "side"), [(VIT, True, 32), (VIT, False, 32), (RESNET, True, 64)])
def test_features_are_those_of_open_clip(vision: dict[str, Any], quick: bool, side: int) -> None:
    model, config = theirs(vision, quick=quick)
    settings = {"open_clip_config": config}
    published = converted(Archive(Path("x"), model.state_dict(), settings))
    assert published.notes == ()
    method = imported(published)
    check_equal(method, model, side)
    assert method.preprocess.mean.flatten().tolist() == pytest.approx([0.4, 0.5, 0.6])


def test_the_wrong_gelu_changes_the_features() -> None:
    model, config = theirs(VIT)
    published = converted(Archive(Path("x"), model.state_dict(), {"open_clip_config": config}))
    published.settings["network.image_tower.gelu"] = "open_clip"
    x = torch.rand(2, 3, 32, 32)
    right, wrong = theirs(VIT)[0], imported(published)
    with torch.no_grad():
        expected = right.encode_image(((x + 1) / 2 - wrong.preprocess.mean) / wrong.preprocess.std)
        assert (wrong.embed_images(x) - expected).abs().max() > 1e-3


class Archived(nn.Module):
    """What OpenAI's archives are: the model in half precision, with three numbers beside the weights."""

    def __init__(self, model: nn.Module) -> None:
        super().__init__()
        for name, child in model.named_children():
            setattr(self, name, child)
        for name in ("positional_embedding", "text_projection", "logit_scale"):
            setattr(self, name, getattr(model, name))
        for name, value in (("input_resolution", 32), ("context_length", 12), ("vocab_size", 49408)):
            self.register_buffer(name, torch.tensor(value))

    def forward(self, x: Tensor) -> Tensor:
        return x


def test_openais_archive_is_read_without_running_it(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    logging.getLogger("torch").setLevel(logging.ERROR)
    model, _ = theirs(VIT | {"head_width": 64}, quick=True)
    model.text_projection.data = model.text_projection.data.clone()
    path = tmp_path / "ViT-X.pt"
    torch.jit.trace(Archived(model.half()), torch.zeros(1), check_trace=False).save(path)
    archive = make("openai_clip").read(path)
    assert tensors_of(archive.content)["visual.conv1.weight"].dtype == torch.float16
    published = converted(archive)
    assert published.notes == ()
    # OpenAI's heads have 64 channels each.
    assert published.settings["network.image_tower.heads"] == 1
    assert {each.dtype for each in published.weights["towers"].values()} == {torch.float32}
    weight = published.weights["towers"]["text.project.weight"]
    assert weight.equal(model.text_projection.float().T)


def hugging_faces(model: Any) -> dict[str, Tensor]:
    """Return open_clip's weights as Hugging Face's CLIPModel names them."""
    found = {}
    pairs = {
        "visual.class_embedding": "vision_model.embeddings.class_embedding",
        "visual.conv1.weight": "vision_model.embeddings.patch_embedding.weight",
        "visual.positional_embedding": "vision_model.embeddings.position_embedding.weight",
        "token_embedding.weight": "text_model.embeddings.token_embedding.weight",
        "positional_embedding": "text_model.embeddings.position_embedding.weight",
        "logit_scale": "logit_scale",
    }
    starts = {
        "visual.ln_pre": "vision_model.pre_layrnorm",
        "visual.ln_post": "vision_model.post_layernorm",
        "ln_final": "text_model.final_layer_norm",
        "visual.transformer.resblocks": "vision_model.encoder.layers",
        "transformer.resblocks": "text_model.encoder.layers",
    }
    layers = {
        ".attn.out_proj.": ".self_attn.out_proj.",
        ".ln_1.": ".layer_norm1.",
        ".ln_2.": ".layer_norm2.",
        ".mlp.c_fc.": ".mlp.fc1.",
        ".mlp.c_proj.": ".mlp.fc2.",
    }
    for name, value in model.state_dict().items():
        if name in ("visual.proj", "text_projection"):
            found[{"visual.proj": "visual_projection"}.get(name, name) + ".weight"] = value.T.contiguous()
            continue
        new = pairs.get(name, name)
        for start, other in starts.items():
            if name.startswith(start):
                new = other + name.removeprefix(start)
        for layer, other in layers.items():
            new = new.replace(layer, other)
        if ".attn.in_proj_" in new:
            for letter, part in zip("qkv", value.chunk(3), strict=True):
                found[new.replace("attn.in_proj_", f"self_attn.{letter}_proj.")] = part.clone()
        else:
            found[new] = value
    return found


def test_hugging_faces_layout_is_imported_and_classifies(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    model, _ = theirs(VIT | {"head_width": 32})
    weights = hugging_faces(model) | {"text_model.embeddings.position_ids": torch.arange(12)[None]}
    folder = tmp_path / "clip"
    folder.mkdir()
    save_file(weights, folder / "model.safetensors")
    acts = {"hidden_act": "quick_gelu"}
    config = {
        "vision_config": {"num_attention_heads": 2, **acts},
        "text_config": {"num_attention_heads": 2, **acts},
    }
    (folder / "config.json").write_text(json.dumps(config))
    published = converted(make("hugging_face_clip").read(folder))
    check_equal(imported(published), model, 32)


def test_an_imported_clip_classifies(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    model, config = theirs(VIT)
    folder = tmp_path / "clip"
    folder.mkdir()
    save_file(model.state_dict(), folder / "open_clip_model.safetensors")
    (folder / "open_clip_config.json").write_text(json.dumps(config))
    run = tmp_path / "run"
    assert main(["import", f"path={folder}", f"out={run}"]) == 0
    assert "imported from openai_clip: towers of" in capsys.readouterr().out
    Image.new("RGB", (50, 40), (200, 30, 30)).save(tmp_path / "red.png")
    words = [f"images={tmp_path / 'red.png'}", "labels=[a cat,dog]", "template=imagenet", f"out={tmp_path / 'out'}"]
    assert main(["classify", f"run={run}", "device=cpu", *words]) == 2
    # Their context of 12 tokens is too short for some of the 80.
    assert "there is room for 12" in capsys.readouterr().err
    words[2] = "template=a photo of {}, quickly"
    assert main(["classify", f"run={run}", "device=cpu", *words]) == 0
    assert "red.png" in capsys.readouterr().out


def test_another_tokenizer_is_refused() -> None:
    model, _ = theirs(VIT)
    weights = model.state_dict() | {"token_embedding.weight": torch.zeros(100, 32)}
    with pytest.raises(UserError, match="has 100 tokens"):
        make("openai_clip").convert(Archive(Path("x"), weights))


@pytest.mark.parametrize(
    ("words", "size"),
    [
        (["data=scenes", "data.tokenizer=clip_bpe"], 32),
        (["data=digits", "data.captions=a photo of a {}"], 28),
        (["data=captioned_digits"], 16),
        (["data=captioned_digits", "data.size=8"], 8),
        (["data=captioned_shards"], 32),
        ([], 32),
    ],
)
def test_another_data_set_keeps_its_own_settings_and_the_tower_its_side(words: list[str], size: int) -> None:
    published = converted(Archive(Path("x"), theirs(VIT)[0].state_dict(), {}))
    settings = _settings(published.experiment, published, as_overrides(words, multirun=False))
    assert (settings.data["size"], settings.method.image_size) == (size, 32)
    assert settings.data.tokenizer == "clip_bpe"
    has_length = not words or words == ["data=captioned_shards"]
    assert settings.data.get("length") == (12 if has_length else None)
    assert settings.data.batch_size == (32768 if has_length else {32: 128}.get(size, 64))


def test_a_setting_that_the_data_set_lacks_is_refused_if_a_person_gave_it() -> None:
    published = converted(Archive(Path("x"), theirs(VIT)[0].state_dict(), {}))
    with pytest.raises(UserError, match="length"):
        _settings(published.experiment, published, ["data=scenes", "data.length=12"])


def test_an_imported_clip_is_evaluated_on_images_of_another_size(tmp_path: Path) -> None:
    model, config = theirs(VIT)
    save_file(model.state_dict(), tmp_path / "open_clip_model.safetensors")
    (tmp_path / "open_clip_config.json").write_text(json.dumps(config))
    run = tmp_path / "run"
    words = ["data=digits", "data.captions=a photo of a {}"]
    assert main(["import", f"path={tmp_path}", f"out={run}", *words]) == 0
    assert main(["evaluate", f"run={run}", "device=cpu"]) == 0
    assert {"zero_shot", "image_to_text_recall_1_all"} <= json.loads((run / "scores.json").read_text())["values"].keys()
