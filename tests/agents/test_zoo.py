"""Agents of rl-baselines3-zoo: their folder says where they were trained."""

from pathlib import Path

from rlformer.agents.online.zoo import frames, trained_in

PAIRS = "!!python/object/apply:collections.OrderedDict\n- - - algo\n    - ppo\n  - - env\n    - {}\n"


def zoo(folder: Path, env: str, config: str = "normalize: true\n") -> Path:
    """What lies beside the .zip of an agent, which is not there itself."""
    inner = folder / env
    inner.mkdir()
    (inner / "args.yml").write_text(PAIRS.format(env))
    (inner / "config.yml").write_text(config)
    return folder / f"{env}.zip"


def test_it_says_in_which_environment_an_agent_was_trained(tmp_path: Path) -> None:
    found = trained_in(zoo(tmp_path, "CartPole-v1"))
    assert found is not None
    assert (found.env.id, found.env.wrappers, found.remark) == ("CartPole-v1", (), None)


def test_a_card_stands_for_an_older_version_and_that_is_said(tmp_path: Path) -> None:
    found = trained_in(zoo(tmp_path, "LunarLander-v2"))
    assert found is not None
    assert found.env.id == "LunarLander-v3"
    assert found.remark is not None
    assert "was trained in LunarLander-v2; LunarLander-v3 is used instead" in found.remark


def test_a_game_under_its_old_name_is_the_game_with_the_standard_wrappers(tmp_path: Path) -> None:
    """Where its library is imported the old name is registered too, and shows whole frames in colour."""
    for old, new in (("PongNoFrameskip-v4", "ALE/Pong-v5"), ("QbertNoFrameskip-v4", "ALE/Qbert-v5")):
        found = trained_in(zoo(tmp_path, old, "frame_stack: 4\n"))
        assert found is not None
        assert found.env.id == new
        assert [table["kind"] for table in found.env.wrappers] == ["atari", "frame_stack"]
        assert f"was trained in {old}; {new} is used instead" in str(found.remark)


def test_a_time_feature_is_put_on_again(tmp_path: Path) -> None:
    config = "- - - env_wrapper\n    - sb3_contrib.common.wrappers.TimeFeatureWrapper\n"
    found = trained_in(zoo(tmp_path, "Pendulum-v1", config))
    assert found is not None
    assert found.env.wrappers == ({"kind": "time_feature", "steps": 200},)
    assert found.env.feature_names[-1] == "share of the episode left"


def test_stacked_observations_are_told_and_do_not_change_the_environment(tmp_path: Path) -> None:
    path = zoo(tmp_path, "CartPole-v1", "frame_stack: 4\n")
    found = trained_in(path)
    assert found is not None
    assert (frames(path), found.env.wrappers) == (4, ())
    assert frames(tmp_path / "another.zip") == 1


def test_a_zip_without_such_a_folder_says_nothing(tmp_path: Path) -> None:
    assert trained_in(tmp_path / "model.zip") is None
