"""Whether a string can be written as UTF-8, and its blanks."""


def is_encodable(text: str) -> bool:
    """Whether a string can be encoded as UTF-8.

    Half of a surrogate pair can't: JSON may hold one (`"\\ud800"`), and Python reads bytes that are no UTF-8 as such.
    """
    try:
        text.encode()
    except UnicodeEncodeError:
        return False
    return True


def clean_caption(text: str) -> str:
    """Return a caption with single blanks between its words, and without zero bytes.

    Raises:
        ValueError: it can't be encoded as UTF-8.
    """
    if not is_encodable(text):
        raise ValueError(f"has a caption that can't be encoded as UTF-8: {text[:60]!a}")
    return " ".join(text.replace("\0", " ").split())
