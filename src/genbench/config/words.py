"""The words of a command line, made into overrides of Hydra.

Hydra reads what comes after `key=` by a grammar of its own, in which blanks, commas, brackets, quotes and `=` mean
something. Of a key in `VERBATIM` it is a person's text: all of it is taken as it is, and quoted here before anything
else parses it.
"""

import re

from hydra.core.override_parser.overrides_parser import OverridesParser

from genbench.config.paths import EXTRACTOR, OF_PARTS, PATHS, check_text
from genbench.config.trainer import is_argument
from genbench.errors import UserError
from genbench.metrics.extractors import OF_RUN

ASKED = ("label", "attributes", "prompt", "target", "condition")
"""The keys of `sample` and `edit` by which a person says in words what samples are to show."""

DRAWN_BY = ("guidance", "truncation", "temperature", "top_k", "top_p")
"""The keys of verbs by which a method draws otherwise than it was trained to: its settings of the same names."""

TEXTS = ("data.captions", "labels", "template", "editor.templates", "editor.screen_templates")
"""The keys of texts such as "a photo of a {}"; those of a list may be quoted."""

LED_BY = ("method.prompt", "editor.source", "editor.screen", "editor.region")
"""The keys of single texts that are settings."""

COLOURS = ("data.background",)
"""The keys of colours, such as #f0f0f0, which begins a comment in Hydra's syntax."""

VERBATIM = frozenset((*PATHS, *ASKED, *TEXTS, *LED_BY, *COLOURS))
"""The keys whose values are taken as they are, besides `parts.NAME`."""

SEVERAL = {"parts.upsamplers": ("parts.upsampler", "parts.second_upsampler")}
"""Keys by which several parts of one kind may be named at once, `[RUN,RUN]`, and those of each."""

OF_CLIP = "clip"
"""The key of the run that embeds images and texts, short for `parts.clip`."""

_LISTS = ("runs", *TEXTS)
"""Those that may be several, `[a,b]`."""

OF_METHOD = ("schedule",)
"""Groups whose option is a part of the method: `schedule=cosine schedule.steps=9` is of `method.schedule`."""

_WORD = re.compile(r"(?P<prefix>\+{0,2})(?P<key>[\w./@-]+)=(?P<value>.*)", re.DOTALL)


def as_overrides(words: list[str], multirun: bool) -> list[str]:
    """Return the overrides of Hydra that words `key=value` mean.

    Of a verbatim key `null` alone is no text, and a folder called `null` is `./null`. With `-m`, and in `runs=[a,b]` or
    `labels=[a,b]`, a comma separates values and `\\,` is a comma. An argument of Lightning's Trainer needs no `+`, and
    a group that is a part of the method is named by itself.
    """
    return [_as_override(each, multirun) for word in words for each in _one_by_one(word)]


def as_words(overrides: list[str]) -> list[str]:
    """Return the words that a command line would need for overrides, none of them of several values."""
    parser = OverridesParser.create()
    words = []
    for line in overrides:
        override = parser.parse_override(line)
        key = override.key_or_group
        if _is_verbatim(key) and not override.is_delete():
            words.append(f"{key}={_as_text(override.value())}")
        else:
            words.append(line)
    return words


def _as_override(word: str, multirun: bool) -> str:
    found = _WORD.fullmatch(word)
    if found is None:
        return word
    prefix, key, value = found["prefix"], found["key"], found["value"]
    if key == OF_CLIP:
        key = f"parts.{key}"
    if _is_verbatim(key) or (key == EXTRACTOR and value.startswith(OF_RUN)):
        check_text(value, key)
        if key.startswith(OF_PARTS):
            # Which there are the method says.
            prefix = "++"
        return f"{prefix}{key}={_quoted(value, key, multirun)}"
    if key == "debug" and value.lower() in ("true", "false"):
        # A group whose option has the name of a truth value.
        return 'debug="true"' if value.lower() == "true" else "~debug"
    group, dot, setting = key.partition(".")
    if group in OF_METHOD:
        return f"{prefix}method.{group}.{setting}={value}" if dot else f"{prefix}{group}@method.{group}={value}"
    if key.startswith("trainer.") and is_argument(key.partition(".")[2]):
        return f"++{key}={value}"
    return word


def _one_by_one(word: str) -> list[str]:
    """Return a word for each part that a list of parts of one kind names, and any other word as it is.

    Raises:
        UserError: the list names more than there can be.
    """
    key, _, value = word.partition("=")
    if key not in SEVERAL or not (value.startswith("[") and value.endswith("]")):
        return [word]
    runs = _split(value[1:-1])
    if len(runs) > len(SEVERAL[key]):
        raise UserError(f"{key} takes at most {len(SEVERAL[key])} runs, not {len(runs)}")
    return [f"{name}={run.strip()}" for name, run in zip(SEVERAL[key], runs, strict=False)]


def _is_verbatim(key: str) -> bool:
    return key in VERBATIM or key.startswith(OF_PARTS)


def _quoted(value: str, key: str, multirun: bool) -> str:
    if key in _LISTS and value.startswith("[") and value.endswith("]"):
        items = _texts(value[1:-1]) if key in TEXTS else _split(value[1:-1])
        return "[" + ",".join(map(_quote, items)) + "]"
    return ",".join(map(_quote, _split(value))) if multirun else _quote(value)


def _split(text: str) -> list[str]:
    return [part.replace("\\,", ",") for part in re.split(r"(?<!\\),", text)]


def _texts(items: str) -> list[str]:
    """Return the texts of a list, without the blanks around each and without the quotes if it has some.

    An empty one stays, for whoever reads the texts to refuse.
    """
    if not items.strip():
        return []
    found = re.findall(r"""(?:^|,)\s*("[^"]*"|'[^']*'|(?:\\,|[^,])*?)\s*(?=,|$)""", items)
    return [
        text[1:-1] if text[:1] in ('"', "'") and text[-1] == text[0] else text.replace("\\,", ",") for text in found
    ]


def _quote(text: str) -> str:
    if text == "null":
        return text
    # Hydra reads backslashes as such unless they come before a quote.
    escaped = re.sub(r'(\\*)("|$)', lambda found: found[1] * 2 + ('\\"' if found[2] else ""), text)
    return f'"{escaped}"'


def _as_text(value: object) -> str:
    if value is None:
        return "null"
    if isinstance(value, list):
        return "[" + ",".join(str(getattr(one, "text", one)).replace(",", "\\,") for one in value) + "]"
    return str(value)
