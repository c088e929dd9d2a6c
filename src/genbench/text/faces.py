"""CelebA's attributes as a phrase: "a smiling young woman with black hair and eyeglasses, wearing a hat"."""

from collections.abc import Collection
from itertools import combinations

from genbench.text.words import split_words

_ADJECTIVES = {
    "Smiling": "smiling",
    "Attractive": "attractive",
    "Chubby": "chubby",
    "Bald": "bald",
    "Young": "young",
}
_HAIR = {
    "Straight_Hair": "straight",
    "Wavy_Hair": "wavy",
    "Black_Hair": "black",
    "Blond_Hair": "blond",
    "Brown_Hair": "brown",
    "Gray_Hair": "gray",
}
_FEATURES = {
    "Eyeglasses": "eyeglasses",
    "Mustache": "a mustache",
    "Goatee": "a goatee",
    "Bangs": "bangs",
    "Receding_Hairline": "a receding hairline",
    "Heavy_Makeup": "heavy makeup",
    "Pale_Skin": "pale skin",
    "Rosy_Cheeks": "rosy cheeks",
    "Double_Chin": "a double chin",
    "Sideburns": "sideburns",
    "5_o_Clock_Shadow": "a 5 o'clock shadow",
    "Bushy_Eyebrows": "bushy eyebrows",
    "Arched_Eyebrows": "arched eyebrows",
    "Bags_Under_Eyes": "bags under the eyes",
    "Big_Nose": "a big nose",
    "Pointy_Nose": "a pointy nose",
    "Big_Lips": "big lips",
    "Narrow_Eyes": "narrow eyes",
    "High_Cheekbones": "high cheekbones",
    "Oval_Face": "an oval face",
    "Mouth_Slightly_Open": "the mouth slightly open",
}
"""The most conspicuous first."""

_CLOTHES = {
    "Wearing_Hat": "a hat",
    "Wearing_Earrings": "earrings",
    "Wearing_Necklace": "a necklace",
    "Wearing_Necktie": "a necktie",
    "Wearing_Lipstick": "lipstick",
}
_IMPLIED = {"Male", "No_Beard", "Blurry"}
"""Said by the noun, or by what is not said; the last is of the photograph and not of the face."""

_MOST_FEATURES = 4
"""More, and nobody reads them; a caption must also fit in CLIP's 77 tokens."""

ATTRIBUTES = frozenset((*_ADJECTIVES, *_HAIR, *_FEATURES, *_CLOTHES, *_IMPLIED))
"""CelebA's 40."""


def describe_face(present: Collection[str], known: Collection[str]) -> str:
    """Return a face in words, with its hair and its four most conspicuous features at most.

    Args:
        present: the attributes that it has.
        known: those of which it is known whether it has them; without "Male" the noun is "person".
    """
    noun = "person" if "Male" not in known else "man" if "Male" in present else "woman"
    words = [word for name, word in _ADJECTIVES.items() if name in present]
    hair = [word for name, word in _HAIR.items() if name in present and "Bald" not in present]
    has_beard = noun == "man" and "No_Beard" in known and "No_Beard" not in present
    features = ["a beard"] if has_beard else []
    features += [word for name, word in _FEATURES.items() if name in present]
    features = [*([f"{' '.join(hair)} hair"] if hair else []), *features[:_MOST_FEATURES]]
    clothes = [word for name, word in _CLOTHES.items() if name in present]
    phrase = " ".join(["an" if words and words[0][0] in "aeiou" else "a", *words, noun])
    phrase += f" with {_joined(features)}" if features else ""
    return phrase + (f", wearing {_joined(clothes)}" if clothes else "")


def every_phrase(known: Collection[str]) -> list[str]:
    """Return phrases that hold all words of any, one as long as any among them; see `describe_face`."""
    by_length = sorted(_FEATURES.keys() & set(known), key=lambda name: -len(split_words(_FEATURES[name])))
    plain = (_ADJECTIVES.keys() | _HAIR.keys() | _CLOTHES.keys()) - {"Bald"}
    # A beard is a feature too.
    bases = [plain | set(by_length[:count]) for count in (_MOST_FEATURES, _MOST_FEATURES - 1)]
    switched = [set(names) for count in range(4) for names in combinations(("Male", "No_Beard", "Bald"), count)]
    fullest = [(base | names) & set(known) for base in bases for names in switched]
    pairs = [{one, other} for one in known for other in (one, "No_Beard")]
    return [describe_face(present, known) for present in (*fullest, {"Male"} & set(known), set(), *pairs)]


def _joined(words: list[str]) -> str:
    return words[0] if len(words) == 1 else f"{', '.join(words[:-1])} and {words[-1]}"
