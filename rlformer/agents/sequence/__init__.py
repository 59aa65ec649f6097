"""Sequence models of trajectories: backbones, one per file, and the trajectory model on top of them."""
