"""Embeddings from files of vectors."""

from pathlib import Path

import numpy as np
import pytest
import torch

from genbench.conditions.embeddings import Embeddings

CONDITION = Embeddings(4)


@pytest.mark.parametrize("dtype", [np.float32, np.float64, np.float16, np.int32])
def test_a_file_is_a_row(tmp_path: Path, dtype: type) -> None:
    for shape in ((4,), (1, 4)):
        np.save(tmp_path / "vector.npy", np.array([1, -2, 3, 0], dtype=dtype).reshape(shape))
        row = CONDITION.parse(str(tmp_path / "vector.npy"))
        assert row.dtype == torch.float32
        assert row.tolist() == [[1, -2, 3, 0]]


def test_files_that_are_no_embedding_are_refused(tmp_path: Path) -> None:
    (tmp_path / "text.npy").write_text("no array")
    (tmp_path / "empty.npy").touch()
    np.save(tmp_path / "long.npy", np.zeros(5))
    np.save(tmp_path / "nan.npy", np.array([0, 1, np.nan, 2]))
    np.save(tmp_path / "words.npy", np.array(["a", "b", "c", "d"]))
    np.save(tmp_path / "objects.npy", np.array([None] * 4), allow_pickle=True)
    for name, message in (
        ("text", "can't be read as an .npy file"),
        ("empty", "can't be read as an .npy file"),
        ("none", "can't be read as an .npy file"),
        ("objects", "can't be read as an .npy file"),
        ("long", "an embedding has 4 numbers"),
        ("nan", "NaN"),
        ("words", "an embedding is one array of real numbers"),
    ):
        with pytest.raises(ValueError, match=message):
            CONDITION.parse(str(tmp_path / f"{name}.npy"))


def test_rows_that_are_no_such_vectors_are_refused() -> None:
    for rows, message in (
        (torch.zeros(1, 5), "vectors of 4 numbers"),
        (torch.zeros(1), "vectors of 4 numbers"),
        (torch.tensor([[0.0, 1.0, torch.inf, 0.0]]), "infinite"),
    ):
        with pytest.raises(ValueError, match=message):
            CONDITION.check(rows, 1)
    with pytest.raises(ValueError, match="at least one number"):
        Embeddings(0)
