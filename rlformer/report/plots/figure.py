"""A figure of the page: a plotly specification as plain dicts, drawn by the page's plotly.js."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Any

from rlformer.report.plots.traces import Layout, Trace

_DIGITS = 5


@dataclass(frozen=True)
class Figure:
    """One plot: `caption` says in a sentence what to see, `label` what a screen reader is told it is."""

    title: str
    caption: str
    label: str
    data: list[Trace]
    layout: Layout
    height: int = 520

    @property
    def spec(self) -> Trace:
        """What plotly.js draws, JSON-ready: floats of _DIGITS significant digits, None where they are not finite."""
        return {"data": _thinned(self.data), "layout": _thinned(self.layout)}


def _thinned(value: Any) -> Any:
    if isinstance(value, dict):
        return {key: _thinned(item) for key, item in value.items()}
    if isinstance(value, (list, tuple)):
        return [_thinned(item) for item in value]
    if isinstance(value, float):
        return float(f"{value:.{_DIGITS}g}") if math.isfinite(value) else None
    return value


def plotly_js() -> str:
    """The plotting library, to be inlined once."""
    from plotly.offline import get_plotlyjs

    return str(get_plotlyjs())
