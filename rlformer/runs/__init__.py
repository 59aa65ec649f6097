"""Run directories: what a run is, where it writes, what it cost."""
