"""What policies of any family do with their inputs, measured in the same units.

`making.make(case, folder)` makes an explanation of a `Case`, part by part: `parts/` holds one file a part (what it
finds, as a frozen dataclass, and how it is made), `explainers/` one file an explainer. What they measure with:
`states` (episodes as states), `groups` of inputs, `subject` (the policy as a function of states), `replacement`
(effects of replaced inputs), `units` (what an explainer can tell apart), `quality` (of explainers), `memory` (policies
that act on a changed view), `latent` (episodes in which what has to be remembered is known), `viper` (trees that
imitate).
"""
