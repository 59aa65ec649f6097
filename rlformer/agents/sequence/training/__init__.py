"""Gradient descent on trajectory models: one loop, its options, its checkpoints."""
