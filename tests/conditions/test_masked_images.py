"""Images of which a part is hidden: stored and loaded, and the mask that belongs to an image."""

import pytest
import torch

from genbench.conditions.masked_images import MaskedImages, center_mask, own_masks
from genbench.conditions.stored import from_facts, to_facts

KIND = MaskedImages((3, 8, 8))


def rows() -> torch.Tensor:
    torch.manual_seed(0)
    images = (torch.randint(0, 256, (5, 3, 8, 8)) / 127.5 - 1).float()
    return KIND.pack(images, own_masks(images, "random"))


def test_rows_are_stored_and_loaded_without_loss() -> None:
    given = rows()
    stored = KIND.store(given)
    assert stored.dtype == torch.uint8
    loaded = KIND.load(stored)
    torch.testing.assert_close(loaded, given)
    hidden = loaded[:, -1:] == 0
    assert (loaded[:, :3][hidden.expand(-1, 3, -1, -1)] == 0).all()
    assert KIND.picture(stored).shape == (5, 3, 8, 8)
    assert torch.equal(KIND.check(loaded, 5), loaded)
    assert KIND.form.shape == (4, 8, 8)
    assert from_facts(to_facts(KIND)).to_dict() == KIND.to_dict()
    assert KIND.describe(stored) == [""] * 5
    assert not KIND.check(KIND.null(2), 2).any()


def test_the_mask_of_an_image_is_its_own() -> None:
    torch.manual_seed(1)
    images = torch.rand(6, 1, 16, 12) * 2 - 1
    masks = own_masks(images, "random")
    assert torch.equal(own_masks(images[3:5], "random"), masks[3:5])
    assert len(masks.unique(dim=0)) == 6
    assert torch.equal(own_masks(images, "center", 1), center_mask(16, 12, 1).expand(6, 1, -1, -1))
    assert (center_mask(16, 12) == 0).sum() == 8 * 6
    assert (center_mask(16, 12, 2) == 0).sum() == 4 * 2


def test_what_does_not_do() -> None:
    given = rows()
    for wrong, message in (
        (given[:2], "5 samples take as many masked images"),
        (given[:, :3], "float32 of shape"),
        (KIND.store(given), "float32 of shape"),
        (given * 0.5, "0 or 1"),
    ):
        with pytest.raises(ValueError, match=message):
            KIND.check(wrong, 5)
    with pytest.raises(ValueError, match="edit editor=inpaint"):
        KIND.parse("a.png")
    with pytest.raises(ValueError, match="1 or 3 channels"):
        MaskedImages((2, 8, 8))
