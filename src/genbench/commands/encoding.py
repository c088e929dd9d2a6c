"""Whether a training's samples are encoded once, before its first step, or in each step."""

from pathlib import Path

from genbench.data.base import DataSet
from genbench.data.encoded import Encoding
from genbench.methods.base import Method
from genbench.methods.encoding_once import EncodesOnce
from genbench.parts import hashes_in


def encode_once(data: DataSet, method: Method) -> str | None:
    """Let the data encode its training samples for a method that is trained on latents, if they are always the same.

    Returns:
        Why they are encoded in each step; None if they aren't, or if that is what was asked for.
    """
    if not isinstance(method, EncodesOnce) or method.latents_in is None:
        return None
    if (reason := method.varies or data.varies) is not None:
        return reason
    weights, folder = hashes_in(method)[method.encoder], Path(method.latents_in).expanduser()
    data.encoding = Encoding(method.encode, method.encodes_to, weights, folder)
    method.is_given_latents = True
    return None
