"""Scores and extractors are found by the names of their files, and what is said of them is read without importing."""

import subprocess
import sys
from typing import Any

import pytest

from genbench.errors import UserError
from genbench.metrics import extractors, scores
from genbench.metrics.extractor import Extractor, Features
from genbench.metrics.material import Material
from genbench.metrics.score import Score
from genbench.score_names import better, find_score, in_order, known_figures, plain_score

LOCAL = ("lpips", "diversity", "fd_dinov2", "ppl")
"""Scores whose weights are not on every machine."""


def test_listing_imports_nothing_heavy() -> None:
    code = (
        "import sys; from genbench.metrics import extractors, scores; from genbench.score_names import better;"
        "assert scores.figures_of('fid') == {'fid': 'lower'} and better('fid_digits') == 'min' and extractors.names();"
        "assert scores.names_by('always') and scores.settings_of('kid') and extractors.needs_medium('auto');"
        "print({'torch', 'sklearn', 'torchmetrics'} & set(sys.modules))"
    )
    result = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert result.stdout.strip() == "set()"


def test_each_file_is_a_score_that_says_what_its_figures_mean() -> None:
    made = scores.make_scores([name for name in scores.names() if name not in LOCAL], {"likelihood": 3})
    assert [score.name for score in made] == [name for name in scores.names() if name not in LOCAL]
    figures: list[str] = []
    for score in made:
        assert scores.figures_of(score.name) == score.figures != {}
        assert all(end in ("lower", "higher", None) for end in score.figures.values())
        figures += score.figures
    assert len(figures) == len({*figures})
    assert {*figures} <= known_figures().keys()


def test_names_are_taken_apart_whatever_the_extractor() -> None:
    for name, plain in {
        "fid_digits": "fid",
        "fid_infinity_clip": "fid_infinity",
        "score/mmd_p_coordinates": "score/mmd_p",
        "fid_run_0a1b2c3d": "fid",
        "fd_dinov2": "fd_dinov2",
        "fid_class_mean_inception_0a1b2c3d": "fid_class_mean",
        "fid_digits_std": "fid_digits_std",
        "nobody_knows": "nobody_knows",
        "isle": "isle",
    }.items():
        assert plain_score(name) == plain
    # A set of points has its best checkpoint too.
    assert find_score("score/mmd", ["score/fid_digits", "score/mmd_coordinates"]) == "score/mmd_coordinates"
    assert (better("mmd_coordinates"), better("mmd_p_coordinates"), better("fid_std")) == ("min", "max", None)
    assert in_order(["ssim", "recall_clip", "fid_clip", "mae"]) == ["fid_clip", "recall_clip", "mae", "ssim"]


def test_figures_of_scores_that_are_not_here_go_by_what_stands_beside_them() -> None:
    assert better("novelty_clip") is None
    assert better("novelty_clip", {"novelty_clip": "higher"}) == "max"
    assert better("novelty_clip", {"novelty_clip": "sideways"}) is None  # type: ignore[dict-item]

    class Novelty(Score):
        figures = {"novelty_by_test": "higher"}

        def compute(self, material: Material) -> dict[str, float]:
            return {"novelty_by_test": 1.0}

    assert better("novelty_by_test_clip") == "max"
    assert plain_score("novelty_by_test_clip") == "novelty_by_test"


class Eyes(Extractor):
    """Sees how bright an image is."""

    name, suffix, feature_dim, class_count, resize, weights_sha256 = "eyes", "_eyes", 1, 0, "none", "none"

    def forward(self, images: Any) -> Features:
        mean = images.float().flatten(1).mean(1, keepdim=True)
        return Features(mean, mean[:, :0])


def test_what_the_setting_of_the_extractor_may_be() -> None:
    eyes = Eyes()
    assert extractors.load_extractor(eyes) is eyes
    for setting, weights, message in (
        ("vgg", None, "must be one of auto, clip"),
        (eyes, "file", "Eyes is an extractor of its own"),
        ("coordinates", "file", "metrics.extractor=coordinates takes none"),
    ):
        with pytest.raises(UserError, match=message):
            extractors.load_extractor(setting, weights)  # type: ignore[arg-type]


class Copy(Score):
    """Has a figure of GenBench's own name."""

    figures = {"fid": "higher"}

    def compute(self, material: Material) -> dict[str, float]:
        return {"fid": 0.0}


class Other(Score):
    """Stands in one file with another score."""

    figures = {"other_by_test": None}

    def compute(self, material: Material) -> dict[str, float]:
        return {"other_by_test": 0.0}


class Another(Other):
    """Has a name of its own."""

    figures = {"another_by_test": None}


def test_a_name_means_one_figure() -> None:
    with pytest.raises(UserError, match=r"test_room\.Copy and fid both have the figure fid: leave one of them out"):
        scores.make_scores([Copy()], {})
    # Whoever has the name, which end of ours is better does not change.
    assert better("fid_digits") == "min"
    names = [score.name for score in scores.make_scores(["fid", Other(), "fid", Another()], {})]
    assert names == ["fid", f"{__name__}.Other", f"{__name__}.Another"]
    with pytest.raises(UserError, match="both have the figure other_by_test"):
        scores.make_scores([Other(), Other()], {})
