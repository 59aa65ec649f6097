"""The backbones by name. A new one is a file (or folder) that describes itself, and a line here."""

from __future__ import annotations

from rlformer.agents.sequence.backbones.base import Backbone
from rlformer.agents.sequence.backbones.conv import CONV
from rlformer.agents.sequence.backbones.encoder_decoder import ENCODER_DECODER
from rlformer.agents.sequence.backbones.gru import GRU
from rlformer.agents.sequence.backbones.linear import LINEAR
from rlformer.agents.sequence.backbones.lstm import LSTM
from rlformer.agents.sequence.backbones.mlp import MLP
from rlformer.agents.sequence.backbones.transformer import TRANSFORMER
from rlformer.agents.sequence.backbones.transformer_xl import TRANSFORMER_XL

BACKBONES: dict[str, Backbone] = {
    kind.name: kind
    for kind in (
        TRANSFORMER,
        TRANSFORMER_XL,
        ENCODER_DECODER,
        LSTM,
        GRU,
        CONV,
        MLP,
        LINEAR,
    )
}
