"""Where the jobs of a study run. An executor runs jobs whose needs are met, and tells what happens to each."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import TYPE_CHECKING, Protocol

if TYPE_CHECKING:
    from rlformer.studies.executors.local import Event, Job, Work


class Executor(Protocol):
    """Runs jobs, each as `work(payload, stop, progress)`."""

    def run(self, work: Work, tasks: Sequence[Job]) -> Iterator[Event]:
        """Run every job and yield what happens; a job whose needs failed is skipped, the rest goes on.

        Raises Interrupted where the user asked to stop, once every running job has saved what it has.
        """
