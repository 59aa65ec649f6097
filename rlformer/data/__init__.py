"""Logs of trajectories: flat memory-mapped arrays, windows on them, and loaders of other formats."""
