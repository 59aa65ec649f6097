"""Statistics of runs: pure functions on arrays, seeded by an explicit Generator; scipy is loaded on use.

Files, each importing only from those before it: inputs, aggregates, intervals, bootstrap, proportions,
noninferiority, survival, scaling, costs, deployment, equivalence, ranks, expectiles. A z is a normalised score; a run
is one training seed, reduced to one scalar.
"""

from rlformer.statistics.aggregates import (
    interquartile_mean,
    mean,
    median,
    normalized_score,
    optimality_gap,
    performance_profile,
    probability_of_improvement,
)
from rlformer.statistics.bootstrap import (
    bootstrap,
    bootstrap_difference,
    bootstrap_improvement,
    crossed_bootstrap,
    stratified_bootstrap,
)
from rlformer.statistics.costs import (
    bootstrap_break_even_lambda,
    bootstrap_costs,
    break_even_lambda,
    cost_offline,
    cost_rl,
    more_runs,
)
from rlformer.statistics.deployment import Deployed, cvar, deployed
from rlformer.statistics.equivalence import (
    Equivalence,
    equivalence_test,
    equivalence_test_proportion,
    holm,
)
from rlformer.statistics.expectiles import expectile
from rlformer.statistics.intervals import Band, Interval, Resampled, percentiles, probability_less
from rlformer.statistics.noninferiority import Bound, NotWorse, difference_of_rates, not_worse
from rlformer.statistics.proportions import (
    TargetCoverage,
    bernoulli_coverage,
    clopper_pearson,
    target_coverage,
    wilson_interval,
)
from rlformer.statistics.ranks import agreement_by_chance, spearman, spearman_by_chance
from rlformer.statistics.scaling import expected_online_performance
from rlformer.statistics.survival import (
    SurvivalCurve,
    ert,
    expected_cost,
    kaplan_meier,
    log_rmst_ratio,
    median_time,
    rmst,
)

__all__ = [
    "Band",
    "Bound",
    "Deployed",
    "Equivalence",
    "Interval",
    "NotWorse",
    "Resampled",
    "SurvivalCurve",
    "TargetCoverage",
    "agreement_by_chance",
    "bernoulli_coverage",
    "bootstrap",
    "bootstrap_break_even_lambda",
    "bootstrap_costs",
    "bootstrap_difference",
    "bootstrap_improvement",
    "break_even_lambda",
    "clopper_pearson",
    "cost_offline",
    "cost_rl",
    "crossed_bootstrap",
    "cvar",
    "deployed",
    "difference_of_rates",
    "equivalence_test",
    "equivalence_test_proportion",
    "ert",
    "expected_cost",
    "expected_online_performance",
    "expectile",
    "holm",
    "interquartile_mean",
    "kaplan_meier",
    "log_rmst_ratio",
    "mean",
    "median",
    "median_time",
    "more_runs",
    "normalized_score",
    "not_worse",
    "optimality_gap",
    "percentiles",
    "performance_profile",
    "probability_less",
    "probability_of_improvement",
    "rmst",
    "spearman",
    "spearman_by_chance",
    "stratified_bootstrap",
    "target_coverage",
    "wilson_interval",
]
