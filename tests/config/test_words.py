"""What a person types after `key=` of a path arrives as it is, whatever Hydra's grammar would make of it."""

import os
from pathlib import Path

import pytest
from hydra.core.override_parser.overrides_parser import OverridesParser

from genbench.config import as_overrides, as_words, check, compose_config
from genbench.config.paths import PATHS
from genbench.errors import UserError

ODD = [
    "a b", "a=b", "=", "a,b", "[x]", "a]b[", "{a:b}", "(a)", "a'b", 'a"b', '"a"', "'a'", "a\\b", "a\\", 'a\\"b', "ü 画",
    "$HOME", "a$b", "a#b", "a;b", "*", "x:y", "-1", "1.5", "true", "nan", "a  b", "@", "a+b", "%", "&", "!", "~x",
]  # fmt: skip


@pytest.mark.parametrize("name", ODD)
def test_a_path_is_taken_as_it_is(name: str, tmp_path: Path) -> None:
    path = str(tmp_path / name)
    overrides = as_overrides([f"data.root={path}", f"output={path}"], multirun=False)
    config = compose_config("train", ["data=mnist", *overrides])
    assert (config.data.root, config.output) == (path, path)
    # The words from which another process starts are the ones that a person typed.
    assert as_words(overrides) == [f"data.root={path}", f"output={path}"]


@pytest.mark.parametrize("name", ["a b", "a=b", "[x", "a'b", 'a"b', "ü", "$HOME", "a\\b"])
def test_in_a_sweep_a_comma_separates_and_a_backslash_keeps_it(name: str, tmp_path: Path) -> None:
    words = [f"data.root={tmp_path / name},{tmp_path / 'two'}\\,three"]
    (override,) = as_overrides(words, multirun=True)
    parsed = OverridesParser.create().parse_override(override)
    values = [f"data.root={value}" for value in parsed.sweep_string_iterator()]
    roots = [compose_config("train", ["data=mnist", value]).data.root for value in values]
    assert roots == [str(tmp_path / name), str(tmp_path / "two,three")]


def test_every_path_of_every_verb_knows_the_home_folder(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv("HOME", str(tmp_path))
    at_home = str(tmp_path / "x y")
    for verb, words in (
        ("train", ["data=celeba", "output=~/x y", "data.root=~/x y", "data.prepared=~/x y"]),
        ("train", ["metrics=full", "metrics.weights=~/x y", "metrics.cache=~/x y"]),
        ("sample", ["run=~/x y", "out=~/x y", "sources=~/x y"]),
        ("edit", ["editor=inpaint", "run=~/x y", "out=~/x y", "images=~/x y", "mask=~/x y"]),
        ("evaluate", ["images=~/x y", "data=cifar10", "data.root=~/x y", "out=~/x y"]),
        ("evaluate", ["run=~/x y", "against=~/x y"]),
        ("prepare", ["data=celeba", "data.root=~/x y", "data.prepared=~/x y"]),
        ("report", ["runs=~/x y", "out=~/x y"]),
        ("dashboard", ["entity=me", "out=~/x y"]),
    ):
        config = compose_config(verb, as_overrides(words, multirun=False))
        for key in (word.partition("=")[0] for word in words):
            if key in PATHS:
                node = config
                for part in key.split("."):
                    node = node[part]
                assert node == at_home, (verb, key)


def test_a_relative_path_is_of_the_working_directory_also_where_a_file_says_it() -> None:
    config = compose_config("train", ["data=mnist"])
    assert (config.output, config.data.root) == (os.path.abspath("outputs"), os.path.abspath("data"))
    assert config.metrics.cache == os.path.abspath("data/references")
    # A word of `mask` is no path.
    assert (
        compose_config("edit", as_overrides(["editor=inpaint", "run=x", "mask=center"], multirun=False)).mask
        == "center"
    )


def test_a_report_takes_lists_and_patterns() -> None:
    overrides = as_overrides(["runs=[a b,~/c,d\\,e]"], multirun=False)
    assert list(compose_config("report", overrides).runs) == [
        os.path.abspath("a b"), os.path.expanduser("~/c"), os.path.abspath("d,e"),
    ]  # fmt: skip
    assert compose_config("report", as_overrides(["runs=out/*[0-9]"], multirun=False)).runs.endswith("/out/*[0-9]")


@pytest.mark.parametrize(
    ("word", "message"),
    [
        ("output=", "output= is empty"),
        ("output=~nobody_of_that_name/x", "there is no user 'nobody_of_that_name'"),
        ("output=${oc.env:HOME}", "may hold no ${"),
    ],
)
def test_a_path_that_can_not_be_one_is_named(word: str, message: str) -> None:
    with pytest.raises(UserError) as refused:
        check("train", as_overrides([word], multirun=False))
    assert message in str(refused.value)


@pytest.mark.parametrize("name", ["[a,b]", "{a: b}", "'a'", "1.5", "true", "a,b"])
def test_a_relative_path_may_look_like_a_value(name: str) -> None:
    config = compose_config("train", ["data=mnist", *as_overrides([f"data.root={name}"], multirun=False)])
    assert config.data.root == os.path.abspath(name)


def test_null_is_no_path() -> None:
    assert compose_config("sample", as_overrides(["run=x", "out=null"], multirun=False)).out is None


@pytest.mark.parametrize(
    ("words", "captions"),
    [
        ("a photo of a {}", "a photo of a {}"),
        ("{}, a kind of [pet]=1", "{}, a kind of [pet]=1"),
        ("null", None),
        ("[a photo of a {},the {}]", ["a photo of a {}", "the {}"]),
        ("[\"a {}, a pet\", 'its {}' , the {}]", ["a {}, a pet", "its {}", "the {}"]),
        ('[a {}\\, a pet,a "{}"]', ["a {}, a pet", 'a "{}"']),
    ],
)
def test_captions_are_taken_as_they_are(words: str, captions: object) -> None:
    overrides = as_overrides([f"data.captions={words}"], multirun=False)
    assert compose_config("train", ["data=mnist", *overrides]).data.captions == captions
    # What another process is started with means the same.
    (again,) = as_words(overrides)
    assert compose_config("train", ["data=mnist", *as_overrides([again], multirun=False)]).data.captions == captions


def test_parts_of_one_kind_may_be_named_at_once() -> None:
    words = ["method=cascade", "data=scenes", "steps=0", "parts.base=x", "parts.upsamplers=[one,a\\,b]"]
    parts = compose_config("train", as_overrides(words, multirun=False)).parts
    assert parts == {
        "base": os.path.abspath("x"),
        "upsampler": os.path.abspath("one"),
        "second_upsampler": os.path.abspath("a,b"),
    }
    with pytest.raises(UserError, match=r"parts\.upsamplers takes at most 2 runs, not 3"):
        as_overrides(["parts.upsamplers=[a,b,c]"], multirun=False)


def test_the_address_of_shards_is_no_path() -> None:
    address = "https://example.org/shards/{000..127}.tar"
    words = ["data=captioned_shards", f"data.root={address}", f"data.test={address}"]
    config = compose_config("train", as_overrides(words, multirun=False))
    assert config.data.root == config.data.test == address
