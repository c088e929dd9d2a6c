"""Whether people who are drawn are still themselves, by embeddings of faces."""

from typing import Any

import torch
from torch import Tensor
from torch.nn.functional import cosine_similarity

from genbench.conditions.base import Condition
from genbench.conditions.posed import Posed
from genbench.conditions.shots import Shots
from genbench.metrics.features import features_of, kept_every
from genbench.metrics.material import Material
from genbench.metrics.score import Score, Setting, mean_with_error
from genbench.metrics.translation import translation_facts


class Identity(Score):
    """The cosine of features of a sample and of its target, beside what real frames have (Zakharov et al. 2019, CSIM).

    `identity_same` is that of another frame of the same person, which a method has that copies what it is given, and
    `identity_other` that of a frame of another person. The extractor should be one that tells people apart and that the
    method was not trained by, such as `metrics.extractor=run:RUN` of a classifier of people.
    """

    figures = {"identity": "higher", "identity_same": None, "identity_other": None}
    chosen = "named"
    needs_features = True
    needs_targets = True
    least = 1

    def unsuited(self, setting: Setting) -> str | None:
        """Return that the method draws no people by frames, where it draws none."""
        draws_people = isinstance(getattr(setting.method, "condition", None), Posed | Shots)
        return super().unsuited(setting) if draws_people else "it takes a method that draws people by frames of them"

    def protocol(self, material: Material) -> dict[str, Any]:
        """Return which people were drawn."""
        return translation_facts(material)

    def compute(self, material: Material) -> dict[str, float]:
        """Return the means, the first with its standard error."""
        found = material.once(self.name, lambda: _similarities(material))
        others = {name: float(found[name].double().mean()) for name in ("identity_same", "identity_other")}
        return mean_with_error("identity", found["identity"].double()) | others


def _similarities(material: Material) -> dict[str, Tensor]:
    """Return the cosines of each sample that is kept.

    Raises:
        ValueError: all samples are of one person.
    """
    assert material.targets is not None
    assert material.conditions is not None
    kept = slice(None, None, kept_every(material.count))
    conditions = material.conditions[kept]
    people = _people(conditions.kind, conditions.rows)
    pictures = conditions.picture()
    assert pictures is not None
    targets, frames = (features_of(material.extractor, each).features for each in (material.targets[kept], pictures))
    return {
        "identity": cosine_similarity(material.generated.features, targets),
        "identity_same": cosine_similarity(frames, targets),
        "identity_other": cosine_similarity(frames[next_other(people)], targets),
    }


def _people(kind: Condition, rows: Tensor) -> Tensor:
    if isinstance(kind, Posed):
        return kind.split(rows)[1]
    assert isinstance(kind, Shots)
    return kind.split(rows)[0]


def next_other(people: Tensor) -> Tensor:
    """Return for each of people (N,) the index of the next one, from the first on after the last, who is another.

    Raises:
        ValueError: all are one person.
    """
    who = people.tolist()
    if len(set(who)) < 2:
        raise ValueError("it takes samples of two people at least")
    count = len(who)
    found = [0] * count
    # From the end, twice round, since the last ones find theirs at the beginning.
    for index in reversed(range(2 * count)):
        here, after = index % count, (index + 1) % count
        found[here] = after if who[after] != who[here] else found[after]
    return torch.tensor(found)
