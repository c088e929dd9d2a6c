"""Language models as Hugging Face's transformers saves them: `config.json`, `tokenizer.json`, safetensors.

BERT, of which MiniLM is a small one, and the encoder of T5, alone or with its decoder.
"""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from torch import Tensor

from genbench.errors import UserError
from genbench.files import leads_out
from genbench.published.networks import tensor_of
from genbench.published.reading import read, read_settings, tensors_of
from genbench.published.source import Archive, Published, Source, renamed
from genbench.stored_tokenizer import read_tokenizer, to_rows

_WEIGHTS, _INDEX, _TOKENIZER = "model.safetensors", "model.safetensors.index.json", "tokenizer.json"

_MOST_BYTES = 64 * 1024**2
"""Of a tokenizer: those of BERT and T5 have one or two MiB."""

_BERT = {
    "vocabulary": ("vocab_size", 30522),
    "width": ("hidden_size", 768),
    "layers": ("num_hidden_layers", 12),
    "heads": ("num_attention_heads", 12),
    "hidden": ("intermediate_size", 3072),
    "longest": ("max_position_embeddings", 512),
    "segments": ("type_vocab_size", 2),
    "norm_eps": ("layer_norm_eps", 1e-12),
}
"""Our settings, theirs, and the values of those that a file leaves out."""

_T5 = {
    "vocabulary": ("vocab_size", 32128),
    "width": ("d_model", 512),
    "layers": ("num_layers", 6),
    "heads": ("num_heads", 8),
    "head_channels": ("d_kv", 64),
    "hidden": ("d_ff", 2048),
    "buckets": ("relative_attention_num_buckets", 32),
    "distance": ("relative_attention_max_distance", 128),
    "norm_eps": ("layer_norm_epsilon", 1e-6),
}

_BERT_RULES = [
    (r"(?:bert\.)?(?:pooler|cls)\..*|cls\..*|(?:bert\.)?embeddings\.position_ids", ""),
    (r"(?:bert\.)?((?:embeddings|encoder)\..*\.)gamma", r"model.\1weight"),
    (r"(?:bert\.)?((?:embeddings|encoder)\..*\.)beta", r"model.\1bias"),
    (r"(?:bert\.)?((?:embeddings|encoder)\..*)", r"model.\1"),
]

_T5_RULES = [
    (r"(?:decoder\.|lm_head\.).*", ""),
    (r"shared\.weight", "model.embed_tokens.weight"),
    (r"encoder\.(.*)", r"model.\1"),
]


class HuggingFaceText(Source):
    """A folder of a `BertModel` or of a `T5EncoderModel`, or of a model around one."""

    title = "Hugging Face's BERT or T5"

    def read(self, path: Path) -> Archive:
        """Return the weights, the tokenizer's file as a tensor, and the configuration.

        Raises:
            UserError: a file is missing, can't be read or leads out of the folder.
        """
        if not path.is_dir():
            raise UserError(f"path={path} is a file, and a language model is a folder with its tokenizer")
        path = _folder(path)
        missing = [name for name in ("config.json", _TOKENIZER) if not (path / name).is_file()]
        if missing:
            raise UserError(f"{path} has no {' and no '.join(missing)}")
        tokenizer = path / _TOKENIZER
        if tokenizer.stat().st_size > _MOST_BYTES:
            raise UserError(f"{tokenizer} is larger than any tokenizer, {tokenizer.stat().st_size:,} bytes")
        weights: dict[str, Any] = {}
        for file in _files(path):
            weights |= tensors_of(read(file))
        config = read_settings(path / "config.json")
        own = tokenizer.read_bytes()
        _check_tokenizer(tokenizer, own, config)
        return Archive(path, {"weights": weights, "tokenizer": to_rows(own)}, {"config": config})

    def recognises(self, archive: Archive) -> bool:
        """Return whether the configuration is that of a BERT or a T5."""
        return archive.settings.get("config", {}).get("model_type") in ("bert", "t5")

    def convert(self, archive: Archive) -> Published:
        """Return the encoder with the settings that its configuration says."""
        config = archive.settings["config"]
        is_t5 = config["model_type"] == "t5"
        weights = {name: each.float() for name, each in archive.content["weights"].items() if each.is_floating_point()}
        settings = _t5_settings(config) if is_t5 else _bert_settings(config)
        tokenizer = archive.content["tokenizer"]
        return Published(
            "text_encoder",
            {
                "network": "text_t5" if is_t5 else "text_bert",
                "method.tokenizer_kib": len(tokenizer),
                **{f"network.text_encoder.{key}": value for key, value in settings.items()},
            },
            {"network": _t5_weights(weights) if is_t5 else _bert_weights(weights), "tokenizer": {"content": tokenizer}},
        )


def _check_tokenizer(path: Path, content: bytes, config: Mapping[str, Any]) -> None:
    """Read a tokenizer, and compare its tokens with the model's embeddings of them.

    Raises:
        UserError: the package for it is missing, or it is damaged or of another model.
    """
    try:
        tokenizer = read_tokenizer(content)
    except ValueError as error:
        raise UserError(f"{path} can't be read: {error}") from error
    numbers = tokenizer.get_vocab(with_added_tokens=True).values()
    if not numbers:
        raise UserError(f"{path} has no tokens")
    size = config.get("vocab_size")
    if isinstance(size, int) and max(numbers) >= size:
        raise UserError(f"{path} numbers its tokens up to {max(numbers)}, and the model has embeddings of {size}")


def _folder(path: Path) -> Path:
    """Return the folder of the model, which may be the only one of its kind in that of a Python package."""
    inner = [file.parent for file in path.glob("*/config.json")]
    return inner[0] if len(inner) == 1 and not (path / "config.json").exists() else path


def _files(path: Path) -> list[Path]:
    """Return the files of the weights, of which there may be several."""
    if (path / _WEIGHTS).is_file():
        return [path / _WEIGHTS]
    if not (path / _INDEX).is_file():
        raise UserError(
            f"{path} has no {_WEIGHTS} and no {_INDEX}: save the model as safetensors, by "
            "model.save_pretrained(FOLDER), where it was loaded"
        )
    names = read_settings(path / _INDEX).get("weight_map")
    if not isinstance(names, dict) or not names:
        raise UserError(f"{path / _INDEX} names no files")
    files = sorted({str(name) for name in names.values()})
    for name in files:
        if leads_out(name):
            raise UserError(f"{path / _INDEX} names {name}, which is not in the folder")
    return [path / name for name in files]


def _bert_settings(config: Mapping[str, Any]) -> dict[str, Any]:
    for key, value in (("hidden_act", "gelu"), ("position_embedding_type", "absolute"), ("is_decoder", False)):
        _one_of(config, key, value)
    return {ours: config.get(theirs, default) for ours, (theirs, default) in _BERT.items()}


def _t5_settings(config: Mapping[str, Any]) -> dict[str, Any]:
    # Configurations of the first T5 do not say it.
    activation = _one_of(config, "feed_forward_proj", "relu", "gated-gelu")
    settings = {ours: config.get(theirs, default) for ours, (theirs, default) in _T5.items()}
    return settings | {"activation": activation.replace("-", "_")}


def _one_of(config: Mapping[str, Any], key: str, *values: Any) -> Any:
    """Return a setting, of which only some values are built here, and the first is the usual one."""
    value = config.get(key, values[0])
    if value not in values:
        known = " or ".join(map(repr, values))
        raise UserError(f"config.json has {key}={value!r}: only language models with {known} can be read")
    return value


def _bert_weights(weights: Mapping[str, Tensor]) -> dict[str, Tensor]:
    return renamed(weights, _BERT_RULES)


def _t5_weights(weights: Mapping[str, Tensor]) -> dict[str, Tensor]:
    found = renamed({name: each for name, each in weights.items() if name != "encoder.embed_tokens.weight"}, _T5_RULES)
    if "model.embed_tokens.weight" not in found:
        found["model.embed_tokens.weight"] = tensor_of(weights, "encoder.embed_tokens.weight")
    return found
