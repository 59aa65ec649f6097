"""Floating-point operations of training and of acting, counted from shapes (`of_run`).

Counted are matrix products, a multiply-add being 2 operations: linear layers, LSTM gates, attention scores and
mixtures, as they are computed (a causal mask saves nothing). A backward pass costs one product for the weights'
gradients and one for the inputs', where these are needed. Left out, because they are a few operations a number where a
product has hundreds: biases, activations, normalisation, softmax, dropout, embeddings' lookups, losses, optimisers,
averages for target networks. Left out too: environments, and everything that evaluates, in the environment or on
held-out windows. torch's own counter sees none of an LSTM and of fused attention on the CPU, which would flatter
whoever uses them: hence formulas, which the tests hold against it where it does see.

Files, each importing only from those before it: rules, sequence, agents, runs.
"""

from rlformer.flops.runs import COUNTERS, of_run

__all__ = ["COUNTERS", "of_run"]
