"""Which optional dependencies are here."""

from importlib.util import find_spec

_MODULES = {"box2d": "Box2D", "contrib": "sb3_contrib"}  # what each extra of pyproject.toml brings


def missing_extra(extra: str | None) -> str | None:
    """`extra` if something a card needs is not installed, else None."""
    return None if extra is None or find_spec(_MODULES.get(extra, extra)) is not None else extra
