"""People, a folder each, by frames: pairs of some frames of a person and another one, for few-shot methods.

Example:
    python -m genbench prepare data=portraits data.root=~/att_faces data.size=64 data.channels=1
"""

from typing import Any

import torch
from torch import Tensor

from genbench.batch import Batch
from genbench.conditions.shots import Shots
from genbench.data.augmentation import UNVARIED, Variation
from genbench.data.base import Split
from genbench.data.image_folder import ImageFolder
from genbench.data.store import Rows, SampleStore
from genbench.errors import UserError


class ShotRows:
    """Rows of `Shots` of a split, made as they are asked for: of each frame its person and K other frames.

    Args:
        frames: the images of the split.
        people: of each frame its person's number, (N,).
        shots: what a row is.

    Raises:
        UserError: a person has a single frame, which no other one goes with.
    """

    def __init__(self, frames: SampleStore, people: Tensor, shots: Shots) -> None:
        self._frames = frames
        self.people = people
        self._shots = shots
        self._of = {int(person): (people == person).nonzero()[:, 0] for person in people.unique()}
        for person, rows in self._of.items():
            if len(rows) < 2:
                raise UserError(
                    f"{shots.people.names[person]} has a single frame, and another one of each person is needed: add "
                    "frames, or remove the folder"
                )
        self.shape = (len(people), shots.form.length)

    def __len__(self) -> int:
        """Return how many there are."""
        return len(self.people)

    def __getitem__(self, index: Tensor | slice) -> Tensor:
        """Return some of the rows, with the first other frames of each person."""
        return self.rows(torch.arange(len(self))[index])

    def rows(
        self,
        rows: Tensor,
        device: torch.device | str = "cpu",
        variation: Variation = UNVARIED,
    ) -> Tensor:
        """Return the rows (B, M) that go with frames (B,), on a device.

        Args:
            rows: of the split.
            device: of the result.
            variation: its augmentation, which the K frames share; where it has `places`, they say which frames.
        """
        places = [None] * len(rows) if variation.places is None else variation.places.tolist()
        chosen = torch.stack([self.others(row, place) for row, place in zip(rows.tolist(), places, strict=True)])
        shared = variation[torch.arange(len(rows)).repeat_interleave(self._shots.count)]
        frames = self._frames.batch(chosen.flatten(), device, shared).x.unflatten(0, chosen.shape)
        return self._shots.pack(self.people[rows].to(device), frames)

    def others(self, row: int, place: float | None) -> Tensor:
        """Return K rows of other frames of the same person, each once as far as there are so many.

        Args:
            row: of a frame.
            place: a number in [0, 1) that chooses them; None for the first ones in the order of the files.
        """
        frames = self._of[int(self.people[row])]
        frames = frames[frames != row]
        if place is not None:
            generator = torch.Generator().manual_seed(int(place * 2**24))
            frames = frames[torch.randperm(len(frames), generator=generator)]
        return frames[torch.arange(self._shots.count) % len(frames)]


class PortraitStore(SampleStore):
    """Frames of people, each with a row of `Shots`; in training the K frames are drawn anew in every epoch.

    Args:
        frames: uint8 images (N, C, H, W).
        people: of each its person's number, (N,).
        shots: what a row of the condition is.

    Raises:
        UserError: a person has a single frame.
    """

    def __init__(self, frames: Rows, people: Tensor, shots: Shots) -> None:
        self._shot_rows = ShotRows(SampleStore(frames), people, shots)
        super().__init__(frames, self._shot_rows, condition=shots)

    @property
    def people(self) -> Tensor:
        """Of each frame its person's number, (N,)."""
        return self._shot_rows.people

    @property
    def has_alternatives(self) -> bool:
        """There are other frames to choose from."""
        return True

    def batch(self, rows: Tensor | slice, device: torch.device | str = "cpu", variation: Variation = UNVARIED) -> Batch:
        """Return frames with K others of the same person each, see `SampleStore.batch`."""
        rows = torch.arange(len(self))[rows] if isinstance(rows, slice) else rows
        frames = SampleStore(self.samples).batch(rows, device, variation).x
        return Batch(frames, self._shot_rows.rows(rows, device, variation))


class Portraits(ImageFolder):
    """Frames of people, a folder of frames each, with K other frames of the same person as their condition.

    Whole people are held out: those of the folder `test`, if there are folders of splits, else every `test_every`-th
    in natural order.

    Args:
        name: of the data set in scores and stores.
        shots: K, frames by which a person is shown.
        test_every: every so many-th person is held out if there is no folder of test people; 0 for none.
        settings: those of `PreparedData`.

    Raises:
        UserError: an argument is out of range.
    """

    def __init__(self, name: str = "portraits", *, shots: int = 8, test_every: int = 8, **settings: Any) -> None:
        super().__init__(name, classes=True, test_every=test_every, **settings)
        if shots < 1:
            raise UserError(f"data.shots must be at least 1, not {shots}")
        self.shots = shots

    @property
    def labels(self) -> Shots:  # type: ignore[override]
        """The people and their frames.

        Raises:
            UserError: the images are in no folders.
        """
        if (people := self.class_names) is None:
            raise UserError(f"data.root={self.root} has no folder of frames for each person")
        return Shots(people, self.shots, self.medium.shape)

    def load(self, split: Split) -> PortraitStore:
        """Return the frames of a split."""
        frames, people = self.open(split)
        assert people is not None
        return PortraitStore(frames, people.long(), self.labels)

    def where(self, part: str) -> str | None:
        """Return the folder of a split, or who was held out."""
        said = super().where(part)
        return f"one person in {self.test_every}, held out" if said and said.endswith("held out") else said

    def _names_of(self, part: str) -> list[str]:
        if self._has_test_folder:
            return super()._names_of(part)
        step = self.test_every or len(self._class_names) + 1
        held_out = set(self._class_names[step - 1 :: step])
        if part == "val":
            return []
        return [name for name in self._files if (self._class_of(name) in held_out) == (part == "test")]

    def _identity(self, part: str) -> dict[str, Any]:
        return {**super()._identity(part), "held_out": "people"}
