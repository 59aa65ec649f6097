"""The page: one self-contained HTML file. Every name from outside is escaped, and nothing is fetched.

Its content security policy admits two scripts, by their hashes, and no request at all. The page's own unpacks the
other, the plotting library, which is compressed to a third.
"""

from __future__ import annotations

import base64
import gzip
import hashlib
from collections.abc import Callable, Mapping
from importlib import resources
from typing import Any

from rlformer.report import compute, figures, formats, table
from rlformer.report.collect import rounded
from rlformer.report.failures import failures
from rlformer.report.figures import Figure

FIGURE_DIGITS = 5  # significant ones, in a plot

_FIGURES: dict[str, Callable[[Mapping[str, Any], Mapping[str, int]], Figure | None]] = {
    "performance": figures.performance,
    "data": figures.data_axis,
    "time": figures.time_axis,
    "flops": compute.flops_axis,
    "parts": figures.time_parts,
    "asked": figures.asked_achieved,
}


def page(results: Mapping[str, Any]) -> str:
    """The HTML of the results."""
    import jinja2
    from markupsafe import Markup

    environment = jinja2.Environment(
        loader=jinja2.FunctionLoader(_asset), autoescape=True, undefined=jinja2.StrictUndefined,
        trim_blocks=True, lstrip_blocks=True,
    )  # fmt: skip
    environment.policies["json.dumps_kwargs"] = {"separators": (",", ":"), "allow_nan": False}
    shown = ("number", "score", "percent", "count", "seconds", "interval", "estimate", "plural")
    environment.filters |= {name: getattr(formats, name) for name in shown}
    colours = figures.slots(results["environments"])
    drawn = [_figures(i, env, colours) for i, env in enumerate(results["environments"])]
    library, script = figures.plotly_js(), _asset("page.js")
    if "</script" in script.lower():
        raise AssertionError("a script that ends its own element cannot be inlined")
    return environment.get_template("page.html.jinja").render(
        results=results,
        environments=results["environments"],
        columns=table.COLUMNS,
        rows=[table.rows(env) for env in results["environments"]],
        strips=[table.strips(env) for env in results["environments"]],
        axes=[table.strip_axis(env) for env in results["environments"]],
        figures=drawn,
        failures=failures(results),
        specs={
            key: rounded({"data": f.data, "layout": f.layout}, FIGURE_DIGITS) for d in drawn for key, f in d.values()
        },
        colours=colours,
        style=Markup(_asset("style.css")),
        library=base64.b64encode(gzip.compress(library.encode(), mtime=0)).decode(),
        script=Markup(script),
        policy=" ".join(f"'sha256-{_digest(text)}'" for text in (library, script)),
        missing=formats.MISSING,
    )


def _figures(index: int, env: Mapping[str, Any], colours: Mapping[str, int]) -> dict[str, tuple[str, Figure]]:
    """Figures of one environment by key, each with the id of its element; those without data are absent."""
    made = {key: make(env, colours) for key, make in _FIGURES.items()}
    return {key: (f"e{index}-figure-{key}", figure) for key, figure in made.items() if figure is not None}


def _digest(script: str) -> str:
    return base64.b64encode(hashlib.sha256(script.encode()).digest()).decode()


def _asset(name: str) -> str:
    return (resources.files("rlformer.report") / "assets" / name).read_text(encoding="utf-8")
