"""Small environments whose optimum, for RL and for return-conditioned imitation, is known in closed form.

`gymnasium.make("rlformer:rlformer/PassiveTMaze-v0", length=20)` makes one, `gymnasium.make_vec` many. Each
file holds the rules, behaviours for logs, the closed forms, and which inputs an explanation should name; what
they have in common is `diagnostic.Diagnostic`.
"""
