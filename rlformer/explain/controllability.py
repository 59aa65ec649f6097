"""Whether a return-conditioned policy gives what it is asked for (Chen et al. 2021, figure 4)."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np


def controllability(
    asked: Sequence[float], achieved: Sequence[float], log_min: float, log_max: float
) -> dict[str, dict[str, Any]]:
    """Inside the log's support and beyond it, apart: how mean achieved returns follow those asked for.

    error: mean of |achieved - asked| in shares of the log's range of returns. slope: of the least-squares line.
    tau: Kendall's rank correlation. Slope and tau are None with fewer than three targets, or where they are undefined.
    """
    x, y = np.asarray(asked, np.float64), np.asarray(achieved, np.float64)
    inside = (x >= log_min) & (x <= log_max)
    spread = log_max - log_min
    return {"inside": _follows(x[inside], y[inside], spread), "beyond": _follows(x[~inside], y[~inside], spread)}


def _follows(asked: np.ndarray, achieved: np.ndarray, spread: float) -> dict[str, Any]:
    from scipy.stats import kendalltau

    found: dict[str, Any] = {"targets": len(asked), "error": None, "slope": None, "tau": None}
    if len(asked) and spread > 0:
        found["error"] = float(np.abs(achieved - asked).mean() / spread)
    if len(asked) >= 3 and np.ptp(asked) > 0:
        found["slope"] = float(np.polyfit(asked, achieved, 1)[0])
        tau = kendalltau(asked, achieved).statistic
        found["tau"] = float(tau) if np.isfinite(tau) else None
    return found
