"""What arms were found to rely on, how well they can be explained, and which family is explained better."""

from rlformer.evaluator.judge.explanations.evidence import CENSORED, ExplainedArm, Explanations, UnexplainedArm

__all__ = ["CENSORED", "ExplainedArm", "Explanations", "UnexplainedArm"]
