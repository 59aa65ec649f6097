"""Logs of trajectories: flat memory-mapped arrays, windows on them, and doors to other formats."""
