"""The learners by name. A new one is a file or folder that describes itself, and a line here."""

from __future__ import annotations

from rlformer.agents.adversarial import ADVERSARIAL
from rlformer.agents.base import LearnerKind
from rlformer.agents.offline import OFFLINE
from rlformer.agents.online import ONLINE, ZIP
from rlformer.agents.reference import BEHAVIOUR, RANDOM
from rlformer.agents.sequence import SEQUENCE
from rlformer.core.errors import unknown

LEARNERS: dict[str, LearnerKind] = {
    kind.name: kind for kind in (RANDOM, BEHAVIOUR, SEQUENCE, OFFLINE, ADVERSARIAL, ONLINE, ZIP)
}


def learner(name: str) -> LearnerKind:
    """The learner of that name. Raises InputError where there is none."""
    if name not in LEARNERS:
        raise unknown("learner", name, LEARNERS)
    return LEARNERS[name]
