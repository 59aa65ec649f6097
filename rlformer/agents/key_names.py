"""What other libraries and papers call the keys of a card: for the error that suggests the one that is meant."""

from __future__ import annotations

from collections.abc import Collection, Mapping

# The first that an agent has is meant.
_OTHERWISE: Mapping[str, tuple[str, ...]] = {
    **dict.fromkeys(("lr", "actor_lr"), ("learning_rate",)),
    **dict.fromkeys(
        ("timesteps", "total_timesteps", "n_timesteps", "env_steps", "num_steps", "max_steps"),
        ("steps", "gradient_steps"),
    ),
    **dict.fromkeys(
        ("steps", "train_steps", "training_steps", "max_iters", "iterations", "iters", "updates", "num_updates"),
        ("gradient_steps", "steps"),
    ),
    "epochs": ("n_epochs", "gradient_steps"),
    **dict.fromkeys(("n_envs", "envs", "num_workers"), ("num_envs",)),
    **dict.fromkeys(("k", "context", "context_len", "max_length", "seq_len", "window"), ("context_length",)),
    **dict.fromkeys(("n_layer", "n_layers", "num_layers", "depth"), ("layers",)),
    **dict.fromkeys(("n_head", "n_heads", "num_heads", "num_attention_heads"), ("heads",)),
    **dict.fromkeys(
        ("hidden_size", "hidden_dim", "embed_dim", "n_embd", "d_model", "net_arch", "hidden_sizes", "units"),
        ("width", "hidden"),
    ),
    **dict.fromkeys(("rtg", "target_rtg", "return_to_go", "target_rtgs"), ("target_return",)),
    **dict.fromkeys(("scale", "rtg_scale", "reward_scale"), ("return_scale",)),
    **dict.fromkeys(("discount", "discount_factor"), ("gamma",)),
    **dict.fromkeys(("entropy", "entropy_coef", "ent_coeff", "entropy_coeff"), ("ent_coef",)),
    **dict.fromkeys(("clip", "clip_param", "clip_coef", "clip_eps"), ("clip_range",)),
    **dict.fromkeys(
        ("grad_clip", "max_grad_norm", "grad_norm_clip", "gradient_clip"), ("gradient_clip", "max_grad_norm")
    ),
    **dict.fromkeys(("lam", "lambda", "gae"), ("gae_lambda",)),
    **dict.fromkeys(("rollout_length", "horizon", "rollout_steps"), ("n_steps",)),
    **dict.fromkeys(("minibatch_size", "bs", "batch"), ("batch_size",)),
    **dict.fromkeys(("replay_size", "buffer", "memory_size"), ("buffer_size",)),
    **dict.fromkeys(("polyak",), ("tau",)),
}


def called_here(key: str, valid: Collection[str]) -> str | None:
    """The key of `valid` that others call so; None where there is none.

    >>> called_here("lr", ["learning_rate"]), called_here("steps", ["gradient_steps"]), called_here("zzz", ["steps"])
    ('learning_rate', 'gradient_steps', None)
    """
    meant = _OTHERWISE.get(key.lower().replace("-", "_"), ())
    return next((name for name in meant if name in valid), None)
