"""Folders of tiny language models in Hugging Face's layout, with random weights, and stand-ins for them."""

import json
from collections.abc import Sequence
from pathlib import Path

import torch
from safetensors.torch import save_file
from torch import Tensor

WORDS = ["[PAD]", "[CLS]", "[SEP]", "[UNK]", "a", "one", "two", "three", "on", "black", "white", "red"]
BERT = {
    "model_type": "bert", "vocab_size": len(WORDS), "hidden_size": 8, "num_hidden_layers": 2, "num_attention_heads": 2,
    "intermediate_size": 16, "max_position_embeddings": 24, "hidden_act": "gelu",
}  # fmt: skip
T5 = {
    "model_type": "t5", "vocab_size": len(WORDS), "d_model": 8, "d_kv": 4, "d_ff": 16, "num_layers": 2, "num_heads": 2,
    "feed_forward_proj": "gated-gelu", "decoder_start_token_id": 0,
}  # fmt: skip


def tokenizer() -> str:
    """Return a tokenizer of whole words that truncates and pads, unless it is kept from it."""
    from tokenizers import Tokenizer, models, pre_tokenizers, processors

    made = Tokenizer(models.WordLevel({word: number for number, word in enumerate(WORDS)}, unk_token="[UNK]"))
    made.pre_tokenizer = pre_tokenizers.Whitespace()
    made.post_processor = processors.TemplateProcessing(
        single="[CLS] $A [SEP]", special_tokens=[("[CLS]", 1), ("[SEP]", 2)]
    )
    made.enable_truncation(6)
    made.enable_padding(length=10)
    text: str = made.to_str()
    return text


def folder_of(path: Path, kind: str, *, with_decoder: bool = False, shards: int = 1) -> Path:
    """Write a folder of a tiny BERT or T5, and return it."""
    import transformers

    torch.manual_seed(0)
    if kind == "bert":
        settings, model = BERT, transformers.BertModel(transformers.BertConfig(**BERT))
    else:
        config, settings = transformers.T5Config(**T5), T5
        model = (transformers.T5ForConditionalGeneration if with_decoder else transformers.T5EncoderModel)(config)
    for parameter in model.parameters():
        torch.nn.init.normal_(parameter, std=0.5)
    path.mkdir(parents=True)
    (path / "config.json").write_text(json.dumps(settings))
    (path / "tokenizer.json").write_text(tokenizer())
    tied = {"encoder.embed_tokens.weight", "decoder.embed_tokens.weight"}
    weights = {name: each.clone() for name, each in model.state_dict().items() if name not in tied}
    if shards == 1:
        save_file(weights, path / "model.safetensors")
        return path
    names = {name: f"model-{number % shards}.safetensors" for number, name in enumerate(weights)}
    for file in set(names.values()):
        save_file({name: each for name, each in weights.items() if names[name] == file}, path / file)
    (path / "model.safetensors.index.json").write_text(json.dumps({"weight_map": names}))
    return path


class Letters:
    """A stand-in for a text encoder: a state for the beginning, and one for each letter, from its number."""

    def __init__(self, width: int = 8) -> None:
        self.width = width
        self.device = torch.device("cpu")
        self.encoded: list[str] = []

    def encode_texts(self, texts: Sequence[str]) -> tuple[Tensor, Tensor]:
        self.encoded += texts
        rows = [[1.0, *(float(ord(letter) % 31 + 2) for letter in text)] for text in texts]
        length = max(map(len, rows))
        numbers = torch.tensor([row + [0.0] * (length - len(row)) for row in rows])
        states = (numbers[..., None] * torch.arange(1, self.width + 1)).sin() * (numbers != 0)[..., None]
        return states, numbers != 0
