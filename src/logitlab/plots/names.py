"""Names of columns, which may be of any length, as pictures have room for them."""


def short(name: str, length: int = 24) -> str:
    """Return a name for a picture: of a long one the beginning and the end, for it is often the end that tells two apart."""
    return name if len(name) <= length else f"{name[: length // 2]}…{name[-((length - 1) // 2) :]}"
