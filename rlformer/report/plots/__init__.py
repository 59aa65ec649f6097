"""What figures are drawn with; plotly's one door."""

from rlformer.report.plots import titles
from rlformer.report.plots.axes import (
    diagonal,
    drawn_scale,
    in_titles,
    layout,
    levels,
    log_ticks,
    on_log_axis,
    scores,
    shade,
)
from rlformer.report.plots.colours import COLOURS, SPARE, slots, symbol_of
from rlformer.report.plots.figure import Figure, plotly_js
from rlformer.report.plots.traces import (
    Layout,
    Numbers,
    Positions,
    Scale,
    Trace,
    curves,
    dots,
    faint,
    final,
    line,
    mean_and_interval,
    named,
    safe,
)

__all__ = [
    "COLOURS",
    "SPARE",
    "Figure",
    "Layout",
    "Numbers",
    "Positions",
    "Scale",
    "Trace",
    "curves",
    "diagonal",
    "dots",
    "drawn_scale",
    "faint",
    "final",
    "in_titles",
    "layout",
    "levels",
    "line",
    "log_ticks",
    "mean_and_interval",
    "named",
    "on_log_axis",
    "plotly_js",
    "safe",
    "scores",
    "shade",
    "slots",
    "symbol_of",
    "titles",
]
