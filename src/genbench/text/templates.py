"""Captions by template: the name of a class becomes words, which take the place of {} in "a photo of a {}"."""

import re
from collections.abc import Sequence

BLANK = "{}"


def check_templates(templates: Sequence[str]) -> list[str]:
    """Return templates of which each has a place for a name.

    Raises:
        ValueError: there is none, or one has no such place, or another one.
    """
    if not templates:
        raise ValueError(f'there must be at least one template, such as "a photo of a {BLANK}"')
    for template in templates:
        if not isinstance(template, str) or BLANK not in template:
            raise ValueError(f"{template!r} has no {BLANK} where the name belongs")
        if re.search(r"[{}]", template.replace(BLANK, "")):
            raise ValueError(f"{template!r} has a brace that is not of {BLANK}, where the name belongs")
    return list(templates)


def fill(template: str, name: str) -> str:
    """Return a template with a name in the place of {}; the article before it stays as it is, as CLIP's authors do."""
    return template.replace(BLANK, name)


def as_words(name: str) -> str:
    """Return the name of a class, which may be that of a folder, in words: "hot_dog", "001.Black_footed_Albatross"."""
    return " ".join(re.sub(r"^\d+\.(?=\D)", "", name).replace("_", " ").split())
