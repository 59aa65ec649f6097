"""Templates and the files beside them: one folder for what pages share, one for each section."""

from __future__ import annotations

import functools
from collections.abc import Mapping
from importlib import resources
from typing import TYPE_CHECKING

from rlformer.core import formats
from rlformer.report import glossary
from rlformer.report.words import thresholds

if TYPE_CHECKING:
    import jinja2
    from markupsafe import Markup

_FILTERS = (
    "number",
    "score",
    "percent",
    "count",
    "seconds",
    "interval",
    "estimate",
    "plural",
    "probability",
    "p_value",
)


def asset(name: str) -> str:
    """The text of a file: "page.js" of all pages, "task/section.html.jinja" of a section."""
    folder = "sections" if "/" in name else "assets"
    return (resources.files("rlformer.report") / folder / name).read_text(encoding="utf-8")


@functools.cache
def environment() -> jinja2.Environment:
    """Templates by name as for `asset`. What they print is escaped, and a variable that is not given is an error."""
    import jinja2

    made = jinja2.Environment(
        loader=jinja2.FunctionLoader(asset), autoescape=True, undefined=jinja2.StrictUndefined,
        trim_blocks=True, lstrip_blocks=True,
    )  # fmt: skip
    made.policies["json.dumps_kwargs"] = {"separators": (",", ":"), "allow_nan": False}
    made.filters |= {name: getattr(formats, name) for name in _FILTERS}
    made.filters["linked"] = glossary.linked
    made.filters["goal"] = thresholds.goal
    made.globals["missing"] = formats.MISSING
    return made


def fill(name: str, values: Mapping[str, object]) -> Markup:
    """A template with these values, as markup."""
    from markupsafe import Markup

    return Markup(environment().get_template(name).render(values))
