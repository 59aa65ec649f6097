"""The page: one self-contained HTML file. Every name from outside is escaped, and nothing is fetched.

Its content security policy admits two scripts, by their hashes, and no request at all. The page's own unpacks the
other, the plotting library, which is compressed to a third.
"""

from __future__ import annotations

import base64
import gzip
import hashlib
from collections.abc import Mapping, Sequence
from typing import Any

from rlformer.envs import animation
from rlformer.report import templates
from rlformer.report.plots import Figure, plotly_js
from rlformer.report.sections import SECTIONS, EnvironmentSection, ReportSection, ReportView, Video
from rlformer.report.sections.base import Block


def page(view: ReportView, results: Mapping[str, Any]) -> str:
    """The HTML. results: what results.json holds, for the page to carry."""
    shown = blocks(view)
    return compose(
        "page.html.jinja",
        results,
        dict(plot for block in shown for plot in block.plots.values()),
        navigation=navigation(view, shown),
        sections=[templates.fill(block.template, block.values) for block in shown],
    )


def video(webp: bytes) -> Video:
    """An animated WebP as the page holds it."""
    return Video(_data_uri(webp), _data_uri(animation.still(webp)))


def blocks(view: ReportView) -> list[Block]:
    """The sections that apply, in the order of the page: those of one environment stand together."""
    own = [section for section in SECTIONS if isinstance(section, EnvironmentSection)]
    found: list[Block] = []
    for section in SECTIONS:
        if isinstance(section, ReportSection):
            found += [section.block(view)] if section.applies(view) else []
        elif section is own[0]:
            found += [each.block(env) for env in view.environments for each in own if each.applies(env)]
    return found


def navigation(view: ReportView, shown: Sequence[Block]) -> list[Block]:
    """What the navigation leads to: every section, or of several environments the first one of each."""
    return [block for block in shown if view.single or block.opens or not block.environment]


def compose(template: str, results: Mapping[str, Any], figures: Mapping[str, Figure], **values: Any) -> str:
    """A page: a template filled in, the figures by the ids of their elements, and all that every page carries."""
    from markupsafe import Markup

    library, script = plotly_js(), templates.asset("page.js")
    if "</script" in script.lower():
        raise AssertionError("a script that ends its own element cannot be inlined")
    carried = {
        "results": results,
        "specs": {key: figure.spec for key, figure in figures.items()},
        "style": Markup(templates.asset("style.css")),
        "library": base64.b64encode(gzip.compress(library.encode(), mtime=0)).decode(),
        "script": Markup(script),
        "policy": " ".join(f"'sha256-{_digest(text)}'" for text in (library, script)),
    }
    return str(templates.fill(template, carried | values))


def _data_uri(webp: bytes) -> str:
    return f"data:image/webp;base64,{base64.b64encode(webp).decode()}"


def _digest(script: str) -> str:
    return base64.b64encode(hashlib.sha256(script.encode()).digest()).decode()
