"""Which samples are held out for testing where nobody has divided them: by the hash of a name, not by its place.

So an image stays in its split whatever is added or removed.
"""

import hashlib

from genbench.errors import UserError


def check_test_every(test_every: int) -> None:
    """Check how many samples are held out.

    Raises:
        UserError: it is all, or no number.
    """
    if test_every < 0 or test_every == 1:
        raise UserError(f"data.test_every must be 0 or at least 2, not {test_every}")


def held_out(name: str, test_every: int) -> bool:
    """Whether what has a name is held out: of many one in `test_every`; none for 0."""
    return test_every > 0 and int(hashlib.sha256(name.encode()).hexdigest()[:16], 16) % test_every == 0
