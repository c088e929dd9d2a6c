"""A method that is only assembled from parts: its run folder is made at once, without a step of training."""

from genbench.commands.endings import what_next
from genbench.commands.session import Session
from genbench.conditions.base import Condition
from genbench.conditions.captions import Captions
from genbench.conditions.classes import Classes
from genbench.data.base import DataSet
from genbench.data.description import summary
from genbench.errors import UserError
from genbench.medium import Embeddings
from genbench.methods.base import GenerativeMethod, Method
from genbench.runs.checkpoint_files import CheckpointFiles
from genbench.runs.folder import RunFolder


def check_steps(method: Method, steps: int) -> None:
    """Check that a method which has something to train is trained, and one that has nothing is not.

    Raises:
        UserError: it is the other way round.
    """
    is_trained = any(parameter.requires_grad for parameter in method.parameters())
    if is_trained and not steps:
        raise UserError("steps must be at least 1: steps=0 is for methods that are only assembled from parts")
    if not is_trained and not method.built_on and any(True for _ in method.parameters()):
        raise UserError("this method is not trained: it has its weights by python -m genbench import path=FOLDER")
    if steps and not is_trained:
        raise UserError("this method has nothing to train: set steps=0")


def check_suits(method: Method, data: DataSet) -> None:
    """Check that what is built on other runs draws what the data set has.

    Raises:
        UserError: its parts lead to other samples or to other conditions.
    """
    if not isinstance(method, GenerativeMethod):
        return
    if method.medium.shape != data.medium.shape and not isinstance(method.medium, Embeddings):
        raise UserError(
            f"with these parts the method draws samples of shape {method.medium.shape}, and those of {data.name} are "
            f"{data.medium.shape}"
        )
    own, given = method.condition, data.condition
    if own is not None and not method.derives_condition and not _is_same(own, given):
        raise UserError(
            f"with these parts the method is conditioned on {_in_words(own)}, and {data.name} has {_in_words(given)}: "
            "take the data of the parts, with the settings that they were trained with, such as data.captions"
        )


def _in_words(condition: Condition | None) -> str:
    """Return what a condition is, as far as two can be told apart by it."""
    match condition:
        case None:
            return "none"
        case Classes(names=names):
            return f"{len(names)} classes"
        case Captions() as captions:
            return f"captions of up to {captions.length} tokens of {captions.form.vocabulary:,}"
    return f"{type(condition).__name__} of its own"


def _is_same(own: Condition, given: Condition | None) -> bool:
    # Of published weights the classes may have numbers for names.
    if isinstance(own, Classes) and isinstance(given, Classes):
        return len(own.names) == len(given.names)
    return given is not None and own.to_dict() == given.to_dict()


def assemble(folder: RunFolder, data: DataSet, method: Method, session: Session) -> None:
    """Write the run folder of a method that needs no training."""
    print("\n".join(summary(data.describe())))
    session.write()
    CheckpointFiles().save_checkpoint({"state_dict": method.state_dict(), "global_step": 0}, folder.checkpoint_file)
    folder.add_to_manifest(steps=0, images=0, seconds=0.0)
    print(f"assembled{f' from {names}' if (names := ', '.join(method.built_on)) else ''}: {folder.path}")
    what_next(folder, method)
