"""The heart: what is measured, on which seeds and at which cost (`measure`), and the verdict that follows (`judge`).

from rlformer.evaluator import judge
judge("runs").verdict
"""

from rlformer.evaluator.judge.evidence import Evidence, Judgement
from rlformer.evaluator.judge.judging import judge
from rlformer.evaluator.judge.terms import Terms
from rlformer.evaluator.judge.verdict import Verdict

__all__ = ["Evidence", "Judgement", "Terms", "Verdict", "judge"]
