"""The page: one self-contained HTML file. Every name from outside is escaped, and nothing is fetched.

Its content security policy admits two scripts, by their hashes, and no request at all. The page's own unpacks the
other, the plotting library, which is compressed to a third.
"""

from __future__ import annotations

import base64
import gzip
import hashlib
from collections.abc import Callable, Mapping, Sequence
from importlib import resources
from typing import Any

from rlformer.core import formats
from rlformer.envs import animation
from rlformer.evaluator.judge import aggregates
from rlformer.evaluator.judge.estimates import rounded
from rlformer.report import compute, figures, figures_data, profiles, table
from rlformer.report.failures import failures
from rlformer.report.figures import Figure
from rlformer.report.sections import interpretability
from rlformer.report.sections.interpretability import explanations_of, tables
from rlformer.report.sections.interpretability import figures as explained

FIGURE_DIGITS = 5  # significant ones, in a plot

_FIGURES: dict[str, Callable[[Mapping[str, Any], Mapping[str, int]], Figure | None]] = {
    "performance": figures.performance,
    "data": figures.data_axis,
    "scaling": figures_data.scaling,
    "quality": figures_data.quality,
    "survival": figures_data.survival,
    "lambda": figures_data.lambdas,
    "time": figures.time_axis,
    "flops": compute.flops_axis,
    "parts": figures.time_parts,
    "asked": figures.asked_achieved,
}
_EXPLAINED = {"effects": explained.effects, "deletion": explained.deletion, "trees": explained.trees}


def page(results: Mapping[str, Any], films: Mapping[str, bytes] | None = None) -> str:
    """The HTML of the results; films: by the paths of runs, an animated WebP each."""
    colours = figures.slots(results["environments"])
    drawn = [_figures(i, env, colours) for i, env in enumerate(results["environments"])]
    across = _across(results["across"], colours) if results["across"] else {}
    return compose(
        "page.html.jinja",
        results,
        [entry for made in (across, *drawn) for entry in made.values() if isinstance(entry, tuple)],
        across=across,
        environments=results["environments"],
        interpretability=[interpretability.content(explanations_of(env)) for env in results["environments"]],
        columns=tables.columns(results),
        rows=[tables.rows(env) for env in results["environments"]],
        strips=[table.strips(env) for env in results["environments"]],
        axes=[table.strip_axis(env) for env in results["environments"]],
        figures=drawn,
        failures=failures(results),
        films={path: (_data_uri(film), _data_uri(animation.still(film))) for path, film in (films or {}).items()},
        colours=colours,
    )


def _across(across: Mapping[str, Any], colours: Mapping[str, int]) -> dict[str, Any]:
    """What the section on several environments shows: the profiles' figure, and labels and matrix of improvement."""
    shown: dict[str, Any] = {}
    if across["profiles"]:
        figure = profiles.profile(across["profiles"], colours, "normalised score")
        shown["profile"] = ("across-figure-profile", figure)
    if across["improvement"]:
        shown["labels"] = [curve["label"] for curve in across["profiles"]["curves"]]
        shown["matrix"] = aggregates.improvement_matrix(shown["labels"], across["improvement"])
    return shown


def scores_page(results: Mapping[str, Any]) -> str:
    """The HTML of `scores.collect`'s results."""
    labels, common = results["algorithms"], results["common_tasks"]
    colours = {label: (10 + i) % figures.COLOURS for i, label in enumerate(labels)}
    key = "interquartile_mean" if len(common) > 1 else "mean"
    plots = {
        "aggregate": ("figure-aggregate", profiles.estimates(results["aggregates"], key, colours)),
        "profile": ("figure-profile", profiles.profile(results["profiles"], colours)),
    }
    return compose(
        "scores.html.jinja",
        results,
        list(plots.values()),
        plots=plots,
        aggregates=[(name, *profiles.AGGREGATES[name]) for name in profiles.AGGREGATES],
        matrix=aggregates.improvement_matrix(labels, results["improvement"]),
        counts={label: sum(results["runs"][label][task] for task in common) for label in labels},
        colours=colours,
    )


def compose(template: str, results: Mapping[str, Any], drawn: Sequence[tuple[str, Figure]], **values: Any) -> str:
    """A template filled in, with the figures by the ids of their elements, and all that every page carries."""
    import jinja2
    from markupsafe import Markup

    environment = jinja2.Environment(
        loader=jinja2.FunctionLoader(_asset), autoescape=True, undefined=jinja2.StrictUndefined,
        trim_blocks=True, lstrip_blocks=True,
    )  # fmt: skip
    environment.policies["json.dumps_kwargs"] = {"separators": (",", ":"), "allow_nan": False}
    shown = ("number", "score", "percent", "count", "seconds", "interval", "estimate", "plural", "probability")
    environment.filters |= {name: getattr(formats, name) for name in shown}
    library, script = figures.plotly_js(), _asset("page.js")
    if "</script" in script.lower():
        raise AssertionError("a script that ends its own element cannot be inlined")
    return environment.get_template(template).render(
        results=results,
        specs={key: rounded({"data": f.data, "layout": f.layout}, FIGURE_DIGITS) for key, f in drawn},
        style=Markup(_asset("style.css")),
        library=base64.b64encode(gzip.compress(library.encode(), mtime=0)).decode(),
        script=Markup(script),
        policy=" ".join(f"'sha256-{_digest(text)}'" for text in (library, script)),
        missing=formats.MISSING,
        **values,
    )


def _figures(index: int, env: Mapping[str, Any], colours: Mapping[str, int]) -> dict[str, tuple[str, Figure]]:
    """Figures of one environment by key, each with the id of its element; those without data are absent."""
    made = {key: make(env, colours) for key, make in _FIGURES.items()}
    if (explanations := explanations_of(env)) is not None:
        made |= {key: draw(explanations, colours) for key, draw in _EXPLAINED.items()}
    return {key: (f"e{index}-figure-{key}", figure) for key, figure in made.items() if figure is not None}


def _data_uri(webp: bytes) -> str:
    return f"data:image/webp;base64,{base64.b64encode(webp).decode()}"


def _digest(script: str) -> str:
    return base64.b64encode(hashlib.sha256(script.encode()).digest()).decode()


def _asset(name: str) -> str:
    """A template: of a section by its folder, NAME/section.html.jinja, or one of the page."""
    place = "sections" if "/" in name else "assets"
    return (resources.files("rlformer.report") / place / name).read_text(encoding="utf-8")
