"""Imported by the server of processes when it starts: it removes what is temporary when it ends."""

from rlformer.runs import scratch

scratch.remove_at_exit()
