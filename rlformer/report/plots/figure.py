"""A figure of the page: a plotly specification as plain dicts, drawn by the page's plotly.js."""

from __future__ import annotations

from dataclasses import dataclass

from rlformer.report.plots.traces import Layout, Trace


@dataclass(frozen=True)
class Figure:
    """One plot: `caption` says in a sentence what to see, `label` what a screen reader is told it is."""

    title: str
    caption: str
    label: str
    data: list[Trace]
    layout: Layout
    height: int = 520


def plotly_js() -> str:
    """The plotting library, to be inlined once."""
    from plotly.offline import get_plotlyjs

    return str(get_plotlyjs())
