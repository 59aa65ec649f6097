"""Values as a notebook shows them: small tables in HTML, every name escaped."""

from __future__ import annotations

import html
from collections.abc import Sequence


def table(head: Sequence[str], rows: Sequence[Sequence[object]], title: str = "") -> str:
    """A table; None is shown as a dash.

    >>> table(["arm", "score"], [["<dt>", None]], "Scores")
    '<p><b>Scores</b></p><table><tr><th>arm</th><th>score</th></tr><tr><td>&lt;dt&gt;</td><td>–</td></tr></table>'
    """
    lines = [_line("th", head), *(_line("td", row) for row in rows)]
    above = f"<p><b>{html.escape(title)}</b></p>" if title else ""
    return f"{above}<table>{''.join(lines)}</table>"


def paragraph(text: str) -> str:
    """A sentence.

    >>> paragraph("a < b")
    '<p>a &lt; b</p>'
    """
    return f"<p>{html.escape(text)}</p>"


def _line(tag: str, cells: Sequence[object]) -> str:
    shown = ("–" if cell is None else html.escape(str(cell)) for cell in cells)
    return f"<tr>{''.join(f'<{tag}>{text}</{tag}>' for text in shown)}</tr>"
