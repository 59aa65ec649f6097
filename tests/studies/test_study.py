"""A study survives its file, and a mistake in it is told with the file and the key."""

from dataclasses import replace
from pathlib import Path

import pytest

from rlformer.core.errors import InputError
from rlformer.evaluator.judge.terms import Terms
from rlformer.runs.spec import RunSpec
from rlformer.studies.logs import TrainingLog
from rlformer.studies.plan import plan
from rlformer.studies.study import KEYS, Grid, Log, Study

WHOLE = Study(
    env="CartPole-v1",
    profile="full",
    arms=("dt", "offline-rl"),
    seeds=2,
    selection=False,
    log=Log("my/log", ("expert", "prefix=0.3"), "0.5", "dqn", 600, map=("rewards=r",), reward_column=1),
    grid=Grid((0.25, 1.0), ("dt",), seeds=1),
    overrides={"dt": ("width=16", "learning_rate=1e-3"), "dqn": ("steps=100",)},
    max_minutes=7.5,
    fitted={"dt": ("gradient_steps=40",)},
    episodes=30,
    time_limit=90,
    terms=Terms(
        2.0, 0.5, 0.1, 0.25, 0.8, 0.1, interaction=False, evaluation_step=0.01, good_enough=-100.5, budget=50_000
    ),
    explain=True,
    device="auto",
    threads=3,
    runs="elsewhere",
)


OTHER = replace(WHOLE, terms=replace(WHOLE.terms, good_enough=None, success=0.75))  # one of these two


@pytest.mark.parametrize("study", [WHOLE, OTHER, Study("CartPole-v1")], ids=["all", "success", "defaults"])
def test_a_study_is_read_as_it_was_written(study: Study, tmp_path: Path) -> None:
    study.write(tmp_path / "study.toml")
    assert Study.read(tmp_path / "study.toml") == study


def test_every_key_of_a_file_is_written_and_has_an_effect() -> None:
    """So that a key that is added to `KEYS`, and not to this study, is found here."""
    usual = Study("Acrobot-v1")
    for key, known in KEYS.items():
        whole = OTHER if key == "verdict.success" else WHOLE
        assert known.of(whole) != known.of(usual), key
        changed = usual.with_values({key: known.of(whole)})
        assert known.of(changed) == known.of(whole)
        assert changed != usual


def test_values_may_be_words_as_they_are_typed() -> None:
    typed = {"arms": "dt, bc", "log.kinds": "expert,mixed", "log.prefix": 0.5, "grid.budgets": 2, "grid.arms": "dt"}
    study = Study("CartPole-v1").with_values(typed)
    assert (study.arms, study.log.kinds, study.log.prefix) == (("dt", "bc"), ("expert", "mixed"), "0.5")
    assert (study.grid.budgets, study.grid.arms) == ((0.5, 1.0), ("dt",))


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("seeds = [", "not valid TOML"),
        ("seeds = 3", "env: which environment"),
        ('env = "CartPol-v1"', "env: unknown environment 'CartPol-v1'; did you mean 'CartPole-v1'"),
        ('env = "CartPole-v1"\nmax_minutes = 0', "max_minutes: a number above 0"),
        ('env = "CartPole-v1"\nfitted = 3', "fitted: a table of agents is expected, got 3"),
        ('env = "CartPole-v1"\n[fitted]\ndtt = []', "fitted: unknown agent 'dtt'; did you mean 'dt'"),
        ('env = "CartPole-v1"\nseeds = 0', "seeds: a whole number from 1 to 1,000, got 0"),
        ('env = "CartPole-v1"\nseeds = "two"', "seeds: a whole number from 1 to 1,000, got 'two'"),
        ('env = "CartPole-v1"\nseed = 2', "seed: unknown key 'seed'; did you mean 'seeds'"),
        ('env = "CartPole-v1"\nprofile = "quik"', "profile: unknown profile 'quik'"),
        ('env = "CartPole-v1"\narms = ["dtt"]', "arms: unknown agent 'dtt'; did you mean 'dt'"),
        ('env = "CartPole-v1"\narms = [3]', "arms: a list of strings"),
        ('env = "CartPole-v1"\nexplain = "yes"', "explain: true or false"),
        ('env = "CartPole-v1"\n[log]\nstep = 3', "log.step: unknown key 'log.step'; did you mean 'log.steps'"),
        ('env = "CartPole-v1"\n[log]\nmap = "reward=r"', "log.map: map: unknown key 'reward'; did you mean 'rewards'"),
        ('env = "CartPole-v1"\n[log]\nreward_column = -1', "log.reward_column: a whole number from 0"),
        ('env = "CartPole-v1"\n[log]\nsteps = -1', "log.steps: a whole number from 0 to 1,000,000,000, got -1"),
        ('env = "CartPole-v1"\n[log]\nkinds = ["best"]', "log.kinds: .*'best'"),
        ('env = "CartPole-v1"\n[log]\nprefix = "half"', "log.prefix: prefix 'half'"),
        ('env = "CartPole-v1"\n[grid]\nbudgets = [200.0]', "grid.budgets .*: 2 to 12 doublings"),
        ('env = "CartPole-v1"\n[verdict]\nlambda = 2', "verdict.lambda: a number from 0 to 1, got 2"),
        (
            'env = "CartPole-v1"\n[verdict]\nprice_cpu = -1',
            "verdict.price_cpu: a number from 0 to 1,000,000,000,000,000, got -1",
        ),
        ('env = "CartPole-v1"\n[verdict]\ngood_enough = inf', "verdict.good_enough: a number from"),
        ('env = "CartPole-v1"\n[verdict]\nsuccess = 0', "verdict.success: a number above 0 and at most 1, got 0"),
        ('env = "CartPole-v1"\n[verdict]\nbudget = 0.5', "verdict.budget: a whole number from 1"),
        ('env = "CartPole-v1"\n[verdict]\nthreshold = "high"', "verdict.threshold: a number"),
        ('env = "CartPole-v1"\nseeds = 100000000', "seeds: a whole number from 1 to 1,000, got 100000000"),
        ('env = "CartPole-v1"\n[verdict]\nmargin = nan', "verdict.margin: a number above 0 and at most"),
        ('env = "CartPole-v1"\n[grid]\nbudgets = []', "grid.budgets .*: 2 to 12 doublings"),
        ('env = "CartPole-v1"\n[grid]\nbudgets = [true]', "grid.budgets .*: 2 to 12 doublings"),
        ('env = "CartPole-v1"\narms = []', "arms: names no arm; valid: "),
        ('env = "CartPole-v1"\nverdict = 3', "verdict: a table is expected, with verdict.threshold"),
        ('env = "CartPole-v1"\n[set]\ndt = 3', "set.dt: a list such as"),
        ('env = "CartPole-v1"\n[set.dt]\nwidth = 3', "set.dt: a list such as"),
        ('env = "CartPole-v1"\nschema = "rlformer/1"', "schema: 'rlformer/1', this version reads 'rlformer/2'"),
    ],
)
def test_a_mistake_in_a_file_is_told_with_the_file_and_the_key(tmp_path: Path, text: str, message: str) -> None:
    path = tmp_path / "study.toml"
    path.write_text(text)
    with pytest.raises(InputError, match=f"^{path}: {message}") as told:
        Study.read(path)
    assert "\n" not in str(told.value)


def test_a_file_that_is_not_there_is_one_line(tmp_path: Path) -> None:
    with pytest.raises(InputError, match="no such file"):
        Study.read(tmp_path / "study.toml")


def test_a_profile_asks_cards_and_no_names(workspace: Path) -> None:
    """A user's cards join, in the place and for the actions that they say; the log's maker is the first that fits."""
    (workspace / "agents").mkdir()
    for name, text in {
        "mine": 'extends = "dt"\nrung = 95\nprofiles = ["quick"]\ndefault_for = ["discrete"]\n',
        "slow": 'extends = "ppo"\nrung = 119\nprofiles = ["quick"]\ndefault_for = ["discrete"]\n',
        "real": 'extends = "ppo"\nrung = 118\nprofiles = ["quick"]\ndefault_for = ["box"]\n',
        "other": 'extends = "dt"\nprofiles = ["full"]\n',
    }.items():
        (workspace / "agents" / f"{name}.toml").write_text(f'schema = "rlformer/2"\n{text}')
    made = plan(Study("CartPole-v1", seeds=1, grid=Grid((0.5,))))
    assert made.arms == ("random", "behaviour", "bc", "bc-top", "dt", "mine", "slow", "ppo", "dqn")
    assert {run.spec.agent.name for run in made.runs if run.budget} == {"dt", "mine"}
    maker = next(run.source for run in made.runs if run.spec.agent.name == "mine")
    assert isinstance(maker, TrainingLog)
    assert maker.maker.agent.name == "slow"
    assert made.runs[0].spec == maker.maker  # it is trained first


def test_where_a_study_was_read_is_no_part_of_it(tmp_path: Path) -> None:
    assert replace(WHOLE, file=tmp_path) == WHOLE


def test_a_study_is_not_written_over_a_folder_or_into_a_file(tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    for path in (tmp_path, tmp_path / "file/study.toml"):
        with pytest.raises(InputError, match=r"there is a (folder|file) where"):
            WHOLE.write(path)
    WHOLE.write(tmp_path / "new/study.toml")
    assert Study.read(tmp_path / "new/study.toml") == WHOLE


def test_the_quick_profile_asks_for_few_target_returns_in_the_same_runs_as_the_others() -> None:
    quick, standard = (
        plan(Study("CartPole-v1", profile=name, arms=("dt",), seeds=1)) for name in ("quick", "standard")
    )
    few, many = ([run.spec for run in made.runs] for made in (quick, standard))
    assert {spec.few_targets for spec in few} == {True}
    assert {spec.few_targets for spec in many} == {False}
    assert {spec.hash for spec in few} == {spec.hash for spec in many}
    assert [RunSpec.from_dict(spec.to_dict()).few_targets for spec in (few[0], many[0])] == [True, False]


def test_a_saved_study_names_every_key(tmp_path: Path) -> None:
    study = Study("CartPole-v1", seeds=2)
    study.write(tmp_path / "study.toml")
    text = (tmp_path / "study.toml").read_text()
    comment = " ".join(line.removeprefix("# ") for line in text.splitlines() if line.startswith("#"))
    others = comment.removeprefix("Left to the profile: ").partition(";")[0].split(", ")
    for key in KEYS:
        assert (key in others) == (KEYS[key].of(study) is None)
        assert key.rpartition(".")[2] in text
    assert Study.read(tmp_path / "study.toml") == study
