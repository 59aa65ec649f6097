"""The cards: each of ours is whole and can be made; a user's own extend or overlay them; mistakes are named."""

import re
import subprocess
import sys
import tomllib
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import tomli_w

import rlformer
from rlformer.agents import cards as agent_cards
from rlformer.agents.base import Task
from rlformer.agents.cards import resolve
from rlformer.agents.learners import LEARNERS
from rlformer.agents.sequence.architecture import Architecture
from rlformer.agents.sequence.trajectory import TrajectoryModel
from rlformer.core.errors import InputError
from rlformer.core.extras import missing_extra
from rlformer.core.records import SCHEMA, Cost, EnvSpec, Episode
from rlformer.core.spaces import ActionSpec, Spaces
from rlformer.data.dataset import DatasetInfo, from_episodes
from rlformer.envs import cards as env_cards
from rlformer.envs.make import make, spaces_of
from rlformer.envs.spaces import action_spec
from rlformer.runs.inputs import LogInput
from rlformer.runs.spec import FAMILIES, ROLES, RunSpec
from rlformer.studies import experiment

ENVS, AGENTS = env_cards.environments(), agent_cards.agents()
OFFLINE = [name for name, card in AGENTS.items() if card.learner == "sequence"]
CLASSIC = ("Acrobot-v1", "CartPole-v1", "LunarLander-v3", "MountainCar-v0", "Pendulum-v1")


def write(folder: Path, name: str, text: str) -> Path:
    """A card of the user's own, below the current folder."""
    path = folder / f"{name}.toml"
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(text if text.startswith("schema") else f'schema = "{SCHEMA}"\n{text}')
    return path


# --- what we ship ---


def test_the_catalogue_holds_what_the_readme_promises() -> None:
    assert set(CLASSIC) <= set(ENVS)
    assert {"random", "ppo", "dqn", "a2c", "sac", "td3", "dt", "bc", "bc-top", "rvs", "behaviour"} <= set(AGENTS)


@pytest.mark.parametrize("name", ENVS)
def test_an_environments_card_describes_what_is_made(name: str) -> None:
    spec = ENVS[name]
    assert spec.summary
    if missing_extra(spec.extra):
        pytest.skip(f"needs the extra {spec.extra}")
    environment = make(spec)
    actions = action_spec(environment.action_space)
    if spec.feature_names:
        assert (len(spec.feature_names),) == environment.observation_space.shape
    if spec.action_names:
        assert len(spec.action_names) == (actions.nvec[0] if actions.kind == "discrete" else actions.shape[0])
    if spec.random_score is not None and spec.reference_score is not None:
        assert spec.random_score < spec.reference_score
        assert spec.random_source
        assert spec.reference_source
        assert spec.normalize(spec.reference_score) == 1.0
    environment.reset(seed=0)
    environment.close()


@pytest.mark.parametrize("name", CLASSIC)
def test_a_classic_environment_is_known_through_and_through(name: str) -> None:
    spec = ENVS[name]
    made = make(spec)
    assert made.spec is not None
    assert spec.solved_threshold == made.spec.reward_threshold
    assert spec.random_source.startswith("scripts/random_scores")
    assert spec.feature_names
    assert spec.action_names


def test_extras_are_those_of_the_distribution(checkout: Path) -> None:
    project = tomllib.loads((checkout / "pyproject.toml").read_text())
    extras = {spec.extra for spec in ENVS.values()} | {card.extra for card in AGENTS.values()}
    assert extras - {None} <= set(project["project"]["optional-dependencies"])


@pytest.mark.parametrize("name", AGENTS)
def test_an_agents_card_is_whole(name: str) -> None:
    card = AGENTS[name]
    assert card.learner in LEARNERS
    assert card.summary
    assert set(card.presets) <= set(ENVS)
    for env in (*card.presets, "none"):
        assert card.tuning_for(env), "how the values were found is part of the record"


@pytest.mark.parametrize("name", AGENTS)
def test_an_agents_card_says_what_it_is_in_a_comparison(name: str) -> None:
    card = AGENTS[name]
    assert card.role in ROLES
    assert card.family in FAMILIES or (card.family == "" and card.role != "candidate")
    assert set(card.profiles) <= set(agent_cards.PROFILES)
    assert [other.name for other in AGENTS.values() if other.rung == card.rung] == [name], "two cards on one rung"


@pytest.mark.parametrize("name", AGENTS)
def test_a_presets_values_have_the_types_of_the_defaults(name: str) -> None:
    for env in AGENTS[name].presets:
        values = AGENTS[name].values_for(env)
        given = [tomli_w.dumps({key: _inline(value)}).strip() for key, value in values.items()]
        again = resolve(ENVS[env], name, [g for g, v in zip(given, values.values(), strict=True) if _simple(v)])
        assert again.values == values


def _simple(value: Any) -> bool:
    return not isinstance(value, Mapping)


def _inline(value: Any) -> Any:
    return value if _simple(value) else str(value)


class Quiet:
    """A `RunLog` that keeps nothing."""

    def __init__(self, directory: Path) -> None:
        self.directory = directory

    def scalars(self, values: Mapping[str, float], step: int) -> None: ...
    def progress(self, done: int, total: int, note: str = "") -> None: ...
    def spent(self, cost: Cost) -> None:
        pass

    def on_gpu(self, name: str, peak_bytes: int) -> None: ...
    def stop_requested(self) -> bool:
        return False

    def rewind(self, step: int) -> None: ...
    def note(self, text: str) -> None: ...

    @contextmanager
    def clock(self, part: str) -> Iterator[None]:
        yield

    @contextmanager
    def checkpoint(self, step: int) -> Iterator[None]:
        yield


@pytest.mark.slow
@pytest.mark.parametrize("name", OFFLINE)
def test_an_offline_agents_card_can_be_trained(name: str, tmp_path: Path) -> None:
    rng = np.random.default_rng(0)
    info = DatasetInfo("CartPole-v1", Spaces.plain((4,), ActionSpec("discrete", (2,))))
    episodes = [Episode(rng.random((9, 4)), rng.integers(0, 2, 8), np.ones(8), True, False) for _ in range(20)]
    values = {**AGENTS[name].values_for("CartPole-v1"), "gradient_steps": 2, "validate_every": 1}
    learner = LEARNERS["sequence"].load()()
    cost = learner.fit(Task(None, from_episodes(info, episodes), values, seed=0), Quiet(tmp_path))
    assert cost.samples_seen > 0


# --- inheritance and overlays ---


def test_a_child_has_its_parents_values_but_for_its_own(workspace: Path) -> None:
    write(
        workspace / "agents",
        "careful-ppo",
        'extends = "ppo"\nsummary = "s"\n[defaults]\ngamma = 0.5\n[presets.CartPole-v1]\nsteps = 7\n',
    )
    child, parent = agent_cards.agent("careful-ppo"), agent_cards.agent("ppo")
    assert child.learner == "sb3"
    assert child.defaults == {**parent.defaults, "gamma": 0.5}
    # its default wins over the parent's preset, its preset over both
    assert child.values_for("CartPole-v1") == {**parent.values_for("CartPole-v1"), "gamma": 0.5, "steps": 7}
    assert child.tuning_for("CartPole-v1") == f"Not tuned itself; ppo: {parent.tuning_for('CartPole-v1')}"
    assert child.presets == parent.presets


def test_a_users_card_of_the_same_name_overlays_ours_key_by_key(workspace: Path) -> None:
    write(
        workspace / "agents",
        "ppo",
        "[defaults]\nhidden = [32]\n[presets.CartPole-v1]\nlearning_rate = 1e-3\n"
        "[presets.Acrobot-v1]\nclip_range = { start = 0.3, end = 0.1 }\n",
    )
    ours, theirs = AGENTS["ppo"], agent_cards.agent("ppo")
    assert theirs.defaults == {**ours.defaults, "hidden": [32]}
    changed = {"hidden": [32], "learning_rate": 1e-3}  # the schedule is replaced whole, by a number
    assert theirs.values_for("CartPole-v1") == {**ours.values_for("CartPole-v1"), **changed}
    assert theirs.values_for("Acrobot-v1")["clip_range"] == {"start": 0.3, "end": 0.1}
    assert theirs.values_for("Acrobot-v1")["n_epochs"] == ours.values_for("Acrobot-v1")["n_epochs"]
    assert theirs.summary == ours.summary


def test_an_overlay_reaches_the_children_of_what_it_overlays(workspace: Path) -> None:
    write(workspace / "agents", "bc", "[defaults]\nbatch_size = 5\n")
    assert agent_cards.agent("bc-top").defaults["batch_size"] == 5


def test_a_users_environment_is_overlaid_section_by_section(workspace: Path) -> None:
    write(workspace / "envs", "CartPole-v1", "[scores]\nsolved = 200.0\n")
    assert env_cards.environment("CartPole-v1") == replace(ENVS["CartPole-v1"], solved_threshold=200.0)


@pytest.mark.parametrize(
    "text", ["[tool]\nx = 1\n", 'schema = "other/1"\nlearner = "x"\n', "", "id = 1\na = 1\nb = 1\n"]
)
@pytest.mark.parametrize("kind", ["agents", "envs"])
def test_a_file_of_another_tool_is_left_alone(workspace: Path, kind: str, text: str) -> None:
    (workspace / kind).mkdir()
    (workspace / kind / "other.toml").write_text(text)
    assert "other" not in {**agent_cards.agents(), **env_cards.environments()}


@pytest.mark.parametrize(
    ("kind", "text"),
    [
        ("agents", 'extends = "dt"\n[defaults]\nwidth = 32\n'),
        ("agents", 'learner = "sequence"\nsumary = "s"\n'),
        ("envs", 'id = "X-v0"\n'),
        ("envs", 'id = "X-v0"\nsummary = "s"\n[[wrapers]]\nkind = "flatten"\n'),
    ],
)
def test_a_card_without_a_schema_is_not_skipped(workspace: Path, kind: str, text: str) -> None:
    (workspace / kind).mkdir()
    (workspace / kind / "mine.toml").write_text(text)
    with pytest.raises(InputError, match=rf'mine.toml: a card begins with schema = "{SCHEMA}"$'):
        agent_cards.agents() if kind == "agents" else env_cards.environments()


@pytest.mark.parametrize("kind", ["agents", "envs"])
def test_a_card_of_an_older_version_gets_one_line(workspace: Path, kind: str) -> None:
    write(workspace / kind, "old", 'schema = "rlformer/1"\nsummary = "s"\n')
    message = rf"old.toml: a card of schema 'rlformer/1', this version reads '{SCHEMA}'$"
    with pytest.raises(InputError, match=message):
        agent_cards.agents() if kind == "agents" else env_cards.environments()


def test_an_environment_without_a_card_is_its_bare_id() -> None:
    spec = env_cards.environment("Blackjack-v1")
    assert (spec.name, spec.id, spec.normalize(1.0)) == ("Blackjack-v1", "Blackjack-v1", None)


# --- mistakes ---


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("[defaults\n", "agents/mine.toml: not valid TOML"),
        ("summary = 's'\n", "agents/mine.toml: a card needs 'learner' or 'extends'"),
        ("extends = 'pp0'\n", "agents/mine.toml: extends an unknown agent 'pp0'; did you mean 'ppo'?"),
        ("extends = 'mine'\n", "agents/mine.toml: 'extends' runs in a circle through 'mine'"),
        ("extends = 'ppo'\nsumary = 's'\n", "[card] unknown key 'sumary'; did you mean 'summary'?"),
        ("extends = 'ppo'\n[defaults]\ngama = 1.0\n", "[defaults] unknown key 'gama'; did you mean 'gamma'?"),
        ("extends = 'ppo'\n[presets.X]\ngama = 1.0\n", "[presets.X] unknown key 'gama'; did you mean 'gamma'?"),
        (
            "extends = 'ppo'\nrole = 'candidat'\n",
            "agents/mine.toml: unknown role 'candidat'; did you mean 'candidate'?",
        ),
        ("extends = 'ppo'\nfamily = 'onlin'\n", "agents/mine.toml: unknown family 'onlin'; did you mean 'online'?"),
        ("learner = 'sb3'\n", "agents/mine.toml: a candidate needs 'family', one of online, offline, sequence, hybrid"),
        ("extends = 'ppo'\nrung = 'high'\n", "[card] rung: expected an integer such as 0, got a string 'high'"),
        ("extends = 'ppo'\nprofiles = 'full'\n", "[card] profiles: expected a list such as [], got a string 'full'"),
        ("extends = 'ppo'\nprofiles = ['ful']\n", "[profiles] unknown profile 'ful'; did you mean 'full'?"),
        ("extends = 'td3-bc'\n[paper]\ngradient_steps = 5\n", "[paper] takes gradient_steps, batch_steps"),
        ("extends = 'ppo'\nprofiles = [1]\n", "[profiles] unknown profile '1'; valid: full, quick, smoke, standard"),
        ("extends = 'ppo'\ndefault_for = ['boxes']\n", "[default_for] unknown kind of action space 'boxes'"),
        (
            "extends = 'ppo'\ncontrasts = [{ question = 'memory', more = 'mine', less = 'pp0' }]\n",
            "[contrasts] less: unknown agent 'pp0'; did you mean 'ppo'?",
        ),
        (
            "extends = 'ppo'\ncontrasts = [{ question = 'memory', more = 'mine' }]\n",
            "[contrasts] takes strings question, more, less, got {'question': 'memory', 'more': 'mine'}",
        ),
        ("extends = 'ppo'\ncontrasts = ['dt']\n", "[contrasts] takes strings question, more, less, got 'dt'"),
        (
            "extends = 'ppo'\ncontrasts = [{ question = 'memory', more = 1, less = 'ppo' }]\n",
            "[contrasts] takes strings question, more, less, got {'question': 'memory', 'more': 1, 'less': 'ppo'}",
        ),
    ],
)
def test_a_mistake_in_an_agents_card_is_named(workspace: Path, text: str, message: str) -> None:
    write(workspace / "agents", "mine", text)
    with pytest.raises(InputError, match=re.escape(message)):
        agent_cards.agent("mine")


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("summary = 's'\n", "an environment's card needs 'id', a Gymnasium id such as 'CartPole-v1'"),
        ("id = 'X-v0'\nwrapper = []\n", "[card] unknown key 'wrapper'; did you mean 'wrappers'?"),
        ("id = 'X-v0'\n[scores]\nsolve = 1\n", "[scores] unknown key 'solve'; did you mean 'solved'?"),
        ("id = 'X-v0'\n[features]\nactions = []\n", "[features] unknown key 'actions'; did you mean 'action'?"),
        ("id = 'X-v0'\n[[wrappers]]\nkind = 'timelimit'\n", "unknown wrapper 'timelimit'; did you mean 'time_limit'?"),
        ("id = 'X-v0'\n[[wrappers]]\nkind = 'flatten'\nn = 1\n", "[wrappers] wrapper 'flatten': unknown key 'n'"),
        ("id = 'X-v0'\nwrappers = ['flatten', 1]\n", "unknown wrapper 'flatten'"),
        (
            "id = 'X-v0'\n[[wrappers]]\nkind = 'time_limit'\n",
            "wrapper 'time_limit': steps is missing, a whole number from 1",
        ),
        ("id = 'X-v0'\n[[wrappers]]\nkind = 'observation_noise'\nstd = -1\n", "std: a number from 0 to"),
        ("id = 'X-v0'\n[scores]\nrandom = 1\nreference = 1.0\n", "[scores] random and reference are both 1.0"),
        ("id = 'X-v0'\n[scores]\nrandom = nan\n", "[scores] random: a number from -1e+300 to 1e+300, got nan"),
        ("id = 'X-v0'\n[features]\nobservation = [1]\n", "[features] observation: expected a list of strings, got [1]"),
    ],
)
def test_a_mistake_in_an_environments_card_is_named(workspace: Path, text: str, message: str) -> None:
    write(workspace / "envs", "Mine", text)
    with pytest.raises(InputError, match=re.escape(message)):
        env_cards.environment("Mine")


def test_an_unknown_agent_is_told_with_the_nearest_name() -> None:
    with pytest.raises(InputError, match=re.escape("unknown agent 'DNQ'; did you mean 'dqn'?")):
        agent_cards.agent("DNQ")


# --- the configuration of a run ---


@pytest.mark.parametrize(
    ("override", "key", "value"),
    [
        ("steps=5000", "steps", 5000),
        ("steps=1e4", "steps", 10000),  # a whole number however it is written
        ("gamma=1", "gamma", 1.0),
        ("activation=relu", "activation", "relu"),
        ('activation="relu"', "activation", "relu"),
        ("hidden=[32, 32]", "hidden", [32, 32]),
        ("normalize_rewards=true", "normalize_rewards", True),
        ("learning_rate=0.01", "learning_rate", 0.01),
        ("gamma = 0.9", "gamma", 0.9),
        ("learning_rate={ start = 1e-2, end = 0.0 }", "learning_rate", {"start": 1e-2, "end": 0.0}),
    ],
)
def test_an_override_takes_the_type_of_the_cards_value(override: str, key: str, value: Any) -> None:
    found = resolve(ENVS["CartPole-v1"], "ppo", [override]).values[key]
    assert found == value
    assert type(found) is type(value)


@pytest.mark.parametrize(
    ("override", "message"),
    [
        ("gama=0.9", "unknown key 'gama'; did you mean 'gamma'?"),
        ("gamma", "--set takes key=value, got 'gamma'"),
        ("=1", "--set takes key=value, got '=1'"),
        ("steps=1.5", "steps: expected an integer such as 200000, got a number 1.5"),
        ("steps=many", "steps: expected an integer such as 200000, got a string 'many'"),
        ("normalize_rewards=1", "normalize_rewards: expected true or false such as True, got an integer 1"),
        ("gamma=true", "gamma: expected a number such as 0.99, got true or false True"),
        ("hidden=64", "hidden: expected a list such as [64, 64], got an integer 64"),
        ("learning_rate={ from = 1.0 }", "learning_rate: a schedule is a table such as { start = 1e-3, end = 0.0 }"),
    ],
)
def test_an_override_of_another_type_is_refused(override: str, message: str) -> None:
    with pytest.raises(InputError, match=re.escape(message)):
        resolve(ENVS["CartPole-v1"], "ppo", [override])


def test_the_last_word_is_the_overrides_and_the_record_says_so() -> None:
    changed = resolve(ENVS["CartPole-v1"], "ppo", ["gamma=0.5"])
    assert changed.values["gamma"] == 0.5
    assert changed.agent.tuning.endswith("Changed by hand: gamma=0.5")


LADDER = (
    "dt",
    "dt-k1",
    "dt-lstm",
    "dt-gru",
    "dt-conv",
    "dt-encdec",
    "dt-xl",
    "dt-no-rtg",
    "reinformer",
    "dt-masked",
    "dt-pretrained",
    "dt-latent",
    "rvs",
    "bc",
    "bc-top",
)


@pytest.mark.parametrize("env", ["CartPole-v1", "LunarLander-v3", "KeyToDoor"])
def test_neighbours_on_the_ladder_have_as_many_parameters_within_a_fifth(env: str) -> None:
    spaces = spaces_of(ENVS[env])

    def parameters(name: str) -> int:
        return TrajectoryModel(Architecture.of(AGENTS[name].values_for(env), spaces, longest=1)).num_parameters

    counts = {name: parameters(name) for name in LADDER if env != "KeyToDoor" or name != "dt-lstm"}
    assert all(0.8 <= count / counts["dt"] <= 1.2 for count in counts.values()), counts


def test_a_linear_policy_has_no_layer_of_its_own() -> None:
    values = AGENTS["bc-linear"].values_for("CartPole-v1")
    made = TrajectoryModel(Architecture.of(values, spaces_of(ENVS["CartPole-v1"]), longest=1))
    assert made.num_parameters == (4 * values["width"] + values["width"]) + (values["width"] * 2 + 2)


@pytest.mark.parametrize("name", [*LADDER, "bc-linear"])
def test_imitators_are_alike_in_how_they_choose_actions(name: str) -> None:
    """On LunarLander-v3's log, whose actions are spread out, greedy ones lose to the log itself."""
    chosen = {env: agent_cards.agent(name).values_for(env)["action_selection"] for env in ("CartPole-v1", "Acrobot-v1")}
    assert set(chosen.values()) == {"greedy"}
    assert agent_cards.agent(name).values_for("LunarLander-v3")["action_selection"] == "sampled"
    cartpole, lander = (resolve(env_cards.environment(env), name) for env in ("CartPole-v1", "LunarLander-v3"))
    kind = LEARNERS[lander.agent.learner]
    assert (kind.samples(cartpole.values), kind.samples(lander.values)) == (False, True)
    asked = resolve(env_cards.environment("CartPole-v1"), name, ["action_selection=sampled"])
    assert kind.samples(asked.values)
    assert asked.hash != cartpole.hash


def test_a_configuration_survives_its_file() -> None:
    log = LogInput("abc", path=None, num_steps=7, mean_return=1.5)
    whole = resolve(ENVS["LunarLander-v3"], "ppo", ["gamma=0.5"], (log,), keeps_log=True)
    again = RunSpec.from_dict(tomllib.loads(tomli_w.dumps(whole.to_dict())))
    assert again == whole
    assert again.hash == whole.hash


def test_the_hash_covers_what_changes_the_outcome_and_nothing_else() -> None:
    env = ENVS["CartPole-v1"]
    base = resolve(env, "ppo")
    renamed = replace(env, name="Mine", summary="other", solved_threshold=1.0)
    agent = replace(base.agent, name="mine", tuning="x", role="control", rung=1)
    assert replace(base, env=renamed, agent=agent).hash == base.hash
    moved = [replace(base, inputs=(LogInput("abc", path=path),)).hash for path in ("here", "there")]
    assert moved[0] == moved[1]
    wrapped: EnvSpec = replace(env, wrappers=({"kind": "delayed_reward"},))
    others = (
        replace(base, env=wrapped),
        resolve(env, "ppo", ["gamma=0.5"]),
        replace(base, inputs=(LogInput("abc"),)),
        replace(base, keeps_log=True),
        replace(base, agent=replace(base.agent, learner="other")),
    )
    assert len({each.hash for each in (base, *others)}) == 1 + len(others)


@pytest.mark.slow
def test_the_script_that_measured_the_random_scores_still_does(checkout: Path) -> None:
    script = [sys.executable, str(checkout / "scripts" / "random_scores"), "CartPole-v1", "--episodes", "400"]
    name, mean, _, error, *_ = subprocess.run(script, capture_output=True, text=True, check=True).stdout.split()
    assert name == "CartPole-v1"
    assert ENVS[name].random_score == pytest.approx(float(mean), abs=4 * float(error))


def test_names_of_another_number_are_told_before_anything_is_trained(workspace: Path) -> None:
    write(workspace / "envs", "Mine", 'id = "CartPole-v1"\n[features]\nobservation = ["a", "b"]\n')
    write(workspace / "envs", "Yours", 'id = "CartPole-v1"\n[features]\naction = ["a"]\n')
    with pytest.raises(InputError, match=r"'Mine': \[features\] observation: 2 names for 4 numbers$"):
        spaces_of(env_cards.environment("Mine"))
    with pytest.raises(InputError, match=r"'Yours': \[features\] action: 1 names for 2 categories$"):
        spaces_of(env_cards.environment("Yours"))
    log = rlformer.dataset(observations=np.zeros((4, 4)), actions=[0, 1, 0, 1], rewards=np.ones(4), ends=[0, 1, 0, 1])
    with pytest.raises(InputError, match=r"'Mine': \[features\] observation: 2 names for 4 numbers$"):
        experiment.check_fit(log, env_cards.environment("Mine"))  # what learns from a log is told too
    write(workspace / "envs", "Absent", 'id = "no_such_module:Absent-v0"\n')
    experiment.check_fit(log, env_cards.environment("Absent"))


@pytest.mark.parametrize("name", AGENTS)
def test_every_key_of_a_card_has_a_range(name: str) -> None:
    card = AGENTS[name]
    ranges = LEARNERS[card.learner].ranges
    assert ranges is not None
    assert card.defaults.keys() <= (ranges(card.defaults).keys() if card.defaults else set())


@pytest.mark.parametrize(
    ("agent", "override", "message"),
    [
        ("dt", "layers=1e8", "layers: a whole number from 1 to 64, got 100000000"),
        ("ppo", "num_envs=100000000", "num_envs: a whole number from 1 to 1,024, got 100000000"),
        ("dt", "learning_rate=nan", "learning_rate: a number above 0 and at most 1e+38, got nan"),
        (
            "ppo",
            "hidden=[]",
            "hidden: a list of 1 to 16 sizes of layers, such as [64, 64], each from 1 to 8,192, got []",
        ),
        ("ppo", "hidden=[true]", "hidden: a list of 1 to 16 sizes"),
        ("sac", "ent_coef=warm", 'ent_coef: "auto", "auto_0.1" or a number in quotes, got \'warm\''),
        ("sac", "ent_coef=auto_-1", 'ent_coef: "auto", "auto_0.1" or a number in quotes, got \'auto_-1\''),
        ("dt", "tokens=three", "tokens: one of separate, step, got 'three'"),
        ("dt", f"width={'9' * 5000}", "width: "),
        ("dt", "patience=2000000000", "patience: a whole number from 0 to 1,000,000,000, got 2000000000"),
    ],
)
def test_a_value_outside_of_its_range_is_refused_where_it_is_set(agent: str, override: str, message: str) -> None:
    with pytest.raises(InputError) as caught:
        resolve(ENVS["CartPole-v1"], agent, [override])
    assert str(caught.value).startswith(message)
    assert len(str(caught.value)) < 300


@pytest.mark.parametrize(
    ("text", "message"),
    [
        (
            "extends = 'dt'\n[presets.CartPole-v1]\nheads = 1e8\n",
            "[presets.CartPole-v1] heads: a whole number from 1 to 64",
        ),
        ("extends = 'ppo'\n[defaults]\ngamma = inf\n", "[defaults] gamma: a number from 0 to 1, got inf"),
        (
            "learner = 'sequence'\nfamily = 'sequence'\n[defaults]\nlayers = 1\n",
            "[defaults] lacks action_head, activation,",
        ),
        (
            "learner = 'random'\nrole = 'control'\n[defaults]\nlayers = 1\n",
            "[defaults] layers: the learner 'random' takes no values",
        ),
        ("learner = 'randon'\nrole = 'control'\n", "[card] unknown learner 'randon'; did you mean 'random'?"),
    ],
)
def test_a_card_is_held_to_the_ranges_too(workspace: Path, text: str, message: str) -> None:
    write(workspace / "agents", "mine", text)
    with pytest.raises(InputError, match=re.escape(f"agents/mine.toml: {message}")):
        agent_cards.agent("mine")


def test_a_whole_number_of_a_card_is_one_however_it_is_written(workspace: Path) -> None:
    write(workspace / "agents", "mine", "extends = 'dt'\n[defaults]\nwidth = 32.0\n")
    assert repr(agent_cards.agent("mine").defaults["width"]) == "32"


def test_what_does_not_fit_into_memory_is_refused_with_the_estimate() -> None:
    large = {"layers": 64, "width": 8192, "heads": 1, "context_length": 4096, "batch_size": 10**6}
    with pytest.raises(
        InputError, match=r"a training of [\d,]+ parameters or more takes at least [\d,]+ GB of memory, and this"
    ):
        LEARNERS["sequence"].load().check(ENVS["CartPole-v1"], {**AGENTS["dt"].defaults, **large})
    values = {**AGENTS["dqn"].defaults, "buffer_size": 10**9, "hidden": [8192] * 16}
    with pytest.raises(InputError, match=r"DQN with .*buffer_size 1000000000.* takes at least \d+ GB of memory"):
        LEARNERS["sb3"].load().check(ENVS["KeyToDoor"], values)
