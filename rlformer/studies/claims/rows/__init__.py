"""The claims by name, in the order of the article. A new one is a file that declares it, and a line here."""

from __future__ import annotations

from rlformer.core.errors import InputError, unknown
from rlformer.studies.claims.base import Claim
from rlformer.studies.claims.rows import (
    accuracy,
    attention,
    autoencoders,
    convolution,
    gans,
    interaction,
    linear_layers,
    memory,
    normalisation,
    pretraining,
    residual,
    speed,
)

CLAIMS: dict[str, Claim] = {
    claim.name: claim
    for claim in (
        speed.CLAIM,
        accuracy.CLAIM,
        memory.CLAIM,
        convolution.CLAIM,
        pretraining.CLAIM,
        autoencoders.CLAIM,
        gans.CLAIM,
        interaction.CLAIM,
        linear_layers.CLAIM,
        residual.CLAIM,
        normalisation.CLAIM,
        attention.CLAIM,
    )
}


def chosen(only: str | None) -> tuple[Claim, ...]:
    """The claims of these names, with commas between; None: all. Raises InputError for one that is none."""
    if only is None:
        return tuple(CLAIMS.values())
    names = [name.strip() for name in only.split(",") if name.strip()]
    if not names:
        raise InputError(f"--only names no claim; valid: {', '.join(CLAIMS)}")
    for name in names:
        if name not in CLAIMS:
            raise unknown("claim", name, CLAIMS)
    return tuple(claim for claim in CLAIMS.values() if claim.name in names)
