"""Videos of policies: what a frame shows, how files are written, and what cannot be shown."""

from pathlib import Path
from typing import Any

import gymnasium as gym
import numpy as np
import pytest
from PIL import Image

from rlformer.core.errors import InputError, Interrupted, MissingExtra
from rlformer.core.records import EnvSpec
from rlformer.core.spaces import ActionSpec, Array
from rlformer.envs import cards as env_cards
from rlformer.envs.film import files
from rlformer.envs.film.drawing import Drawing, Layout
from rlformer.envs.film.stage import Moment, Player, Stage, perform
from rlformer.envs.play import play
from rlformer.envs.rollout import RandomPolicy
from rlformer.studies import playing

CARTPOLE = env_cards.environment("CartPole-v1")
ACTIONS = ActionSpec("discrete", (2,))


class Always:
    """The same action always; it remembers what it was asked for and what it heard."""

    def __init__(self, action: int) -> None:
        self._action = action
        self.asked: list[float | None] = []
        self.heard = 0

    def begin(self, slots: Array, seeds: Array, target_returns: Array | None) -> None:
        assert slots.tolist() == [0]
        self.asked.append(None if target_returns is None else float(target_returns[0]))

    def act(self, observations: Array) -> Array:
        assert len(observations) == 1
        return np.array([self._action])

    def observe(self, actions: Array, rewards: Array) -> None:
        assert actions.tolist() == [self._action]
        self.heard += 1


def performed(players: list[Player], seed: int = 7) -> tuple[list[list[Moment]], list[float]]:
    moments: list[list[Moment]] = []
    stage = Stage(CARTPOLE, len(players), lambda shown: moments.append(list(shown)))
    episodes = perform(stage, players, seed)
    stage.close()
    return moments, [episode.episode_return for episode in episodes]


def test_side_by_side_each_plays_the_episode_that_it_plays_alone() -> None:
    players = [Player("left", Always(0)), Player("random", RandomPolicy(ACTIONS)), Player("right", Always(1))]
    moments, returns = performed(players)
    alone = [play(player.policy, CARTPOLE, np.array([7])).returns[0] for player in players]
    assert returns == alone
    assert len(set(returns)) > 1
    assert len(moments) == 1 + max(returns)  # one before the first step, and one after each


def test_a_moment_counts_and_stays_when_its_episode_has_ended() -> None:
    moments, returns = performed([Player("left", Always(0)), Player("random", RandomPolicy(ACTIONS))])
    first, last = moments[0], moments[-1]
    assert [(m.steps, m.episode_return, m.ended) for m in first] == [(0, 0.0, None)] * 2
    assert [m.episode_return for m in last] == returns
    assert [m.steps for m in last] == returns  # CartPole pays 1 a step
    assert [m.ended for m in last] == ["terminated"] * 2
    shorter = int(np.argmin(returns))
    np.testing.assert_array_equal(last[shorter].picture, moments[int(min(returns))][shorter].picture)


def test_each_player_is_asked_for_its_own_return() -> None:
    one, two = Always(0), Always(1)
    performed([Player("one", one, 30.0), Player("two", two)])
    assert (one.asked, two.asked) == ([30.0], [None])


def changed(a: Any, b: Any) -> Array:
    """Where two frames differ: (H, W) bool."""
    return np.asarray((np.asarray(a) != np.asarray(b)).any(axis=2))


def test_a_frame_shows_return_step_and_share_of_the_target_below_the_picture() -> None:
    picture = np.full((100, 300, 3), 200, np.uint8)
    drawing = Drawing([Player("dt", Always(0), 100.0)], (300, 100), 1280)
    layout = drawing.layout
    early = drawing.frame([Moment(picture, 10, 10.0)])
    late = drawing.frame([Moment(picture, 60, 60.0)])
    assert early.size == layout.size
    rows = np.flatnonzero(changed(early, late).any(axis=1))
    below = 12 + layout.head + layout.picture[1]
    assert rows.min() >= below  # the picture is left alone
    bar = np.asarray(late)[below + round(layout.foot * 0.085)]
    filled = (np.abs(bar.astype(int) - (88, 166, 255)).sum(axis=1) < 30).sum()
    assert filled == pytest.approx(0.6 * layout.width, abs=3)


def test_names_stand_above_and_long_ones_fit() -> None:
    picture = np.zeros((100, 300, 3), np.uint8)
    frames = [
        Drawing([Player(name, Always(0))], (300, 100), 1280).frame([Moment(picture)], "episode 1")
        for name in ("dt, seed 0", "ppo, seed 0", "a-folder/with-a-name/" * 9)
    ]
    layout = Layout.of(1, (300, 100), 1280)
    for frame in frames[1:]:
        where = changed(frames[0], frame)
        assert where[: 12 + layout.head].any()
        assert not where[12 + layout.head :].any()
        assert not where[:, layout.width - 30 :].any()  # where "episode 1" stands


def test_an_ended_episode_is_dimmed() -> None:
    picture = np.full((100, 300, 3), 200, np.uint8)
    drawing = Drawing([Player("dt", Always(0))], (300, 100), 1280)
    going, ended = (drawing.frame([Moment(picture, ended=how)]) for how in (None, "truncated"))
    middle = (drawing.layout.size[0] // 2, 12 + drawing.layout.head + 30)
    assert going.getpixel(middle) == (200, 200, 200)
    assert ended.getpixel(middle) == (110, 110, 110)


@pytest.mark.parametrize(
    ("count", "shown", "picture"),
    [
        (1, (600, 400), (600, 400)),
        (1, (1920, 1080), (720, 405)),  # big frames are scaled
        (2, (1920, 1080), (622, 350)),
        (1, (64, 64), (256, 256)),  # small ones are enlarged by a whole number
        (3, (16, 16), (256, 256)),
    ],
)
def test_frames_are_scaled_to_be_seen(count: int, shown: tuple[int, int], picture: tuple[int, int]) -> None:
    layout = Layout.of(count, shown, 1280)
    assert layout.picture == picture
    assert layout.size[0] <= 1280
    assert [side % 2 for side in layout.size] == [0, 0]


@pytest.mark.parametrize("suffix", [".gif", ".webp"])
def test_an_animation_lasts_as_long_as_the_steps_that_it_shows(suffix: str, tmp_path: Path) -> None:
    film = tmp_path / f"film{suffix}"
    frames = [Image.new("RGB", (40, 20), (10 * i, 0, 0)) for i in range(20)]
    with files.reel(film, suffix, (40, 20), fps=100.0) as reel:  # faster than viewers show it
        for frame in frames[:-1]:
            reel.add(frame)
        reel.add(frames[-1], 50)
    with Image.open(film) as seen:
        durations = []
        for i in range(seen.n_frames):
            seen.seek(i)
            seen.load()
            durations.append(seen.info["duration"])
    assert sum(durations) == pytest.approx(690, abs=20)
    assert seen.n_frames > 5


def test_too_many_frames_are_thinned_and_play_as_long(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(files, "_MOST_PIXELS", 8 * 40 * 20)  # eight frames
    with files.reel(tmp_path / "film.webp", ".webp", (40, 20), fps=10.0) as reel:
        for i in range(50):
            reel.add(Image.new("RGB", (40, 20), (5 * i, 0, 0)))
    with Image.open(tmp_path / "film.webp") as seen:
        assert 4 <= seen.n_frames <= 8
        total = 0
        for i in range(seen.n_frames):
            seen.seek(i)
            seen.load()
            total += seen.info["duration"]
    assert total == pytest.approx(5000, abs=100)


@pytest.mark.slow
def test_an_mp4_holds_every_step_and_its_end(tmp_path: Path) -> None:
    imageio_ffmpeg = pytest.importorskip("imageio_ffmpeg")
    players = [Player("random", RandomPolicy(ACTIONS))]
    watched = playing.film(players, CARTPOLE, [7], tmp_path / "film.mp4", fps=50)
    (episode,) = watched.episodes
    reader = imageio_ffmpeg.read_frames(str(tmp_path / "film.mp4"))
    meta = next(reader)
    assert (meta["codec"], meta["fps"]) == ("h264", 50.0)
    assert len(list(reader)) == 1 + episode.length + 50  # a second of the last one
    assert [path.name for path in tmp_path.iterdir()] == ["film.mp4"]


def test_a_stopped_film_leaves_no_file(tmp_path: Path) -> None:
    with pytest.raises(Interrupted, match="stopped; no video was written"):
        playing.film([Player("r", RandomPolicy(ACTIONS))], CARTPOLE, [7], tmp_path / "film.gif", stop=lambda: True)
    assert list(tmp_path.iterdir()) == []


def test_a_file_that_is_no_video_is_refused_before_anything_is_played(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    with pytest.raises(InputError, match=r"film\.avi: the name of a video must end in \.mp4, \.gif or \.webp"):
        playing.film([Player("r", RandomPolicy(ACTIONS))], CARTPOLE, [7], tmp_path / "film.avi")
    monkeypatch.setattr(files, "find_spec", lambda name: None)
    with pytest.raises(MissingExtra, match=r"pip install 'rlformer\[video\]'"):
        files.check(tmp_path / "film.mp4")
    assert files.usual_suffix() == ".webp"


class Blind(gym.Env[Any, Any]):
    """An environment without a picture."""

    observation_space = gym.spaces.Box(-1, 1, (1,), np.float32)
    action_space = gym.spaces.Discrete(2)

    def reset(self, seed: int | None = None, options: Any = None) -> Any:
        super().reset(seed=seed)
        return np.zeros(1, np.float32), {}

    def step(self, action: Any) -> Any:
        return np.zeros(1, np.float32), 1.0, True, False, {}


class Imageless(Blind):
    """As MuJoCo's where imageio is absent."""

    metadata = {"render_modes": ["rgb_array"]}  # noqa: RUF012

    def __init__(self, render_mode: str | None = None) -> None:
        self.render_mode = render_mode

    def render(self) -> Any:
        raise ModuleNotFoundError("No module named 'imageio'", name="imageio")


@pytest.mark.parametrize(
    ("made", "reason"),
    [
        (Blind, "cannot render: its constructor takes no render_mode"),
        (Imageless, "cannot render: .*No module named 'imageio' .*; pip install imageio"),
    ],
)
def test_what_cannot_render_says_so_and_leaves_nothing(made: type[Any], reason: str, tmp_path: Path) -> None:
    gym.register("Unseen-v0", made)
    try:
        player = Player("r", RandomPolicy(ACTIONS))
        with pytest.raises(InputError, match=rf"Unseen-v0 {reason}"):
            playing.film([player], EnvSpec("Unseen-v0", "Unseen-v0"), [0], tmp_path / "film.gif")
    finally:
        gym.registry.pop("Unseen-v0")
    assert list(tmp_path.iterdir()) == []


def test_a_window_needs_a_display_and_an_environment_that_has_one(monkeypatch: pytest.MonkeyPatch) -> None:
    players = [Player("r", RandomPolicy(ACTIONS))]
    monkeypatch.setattr(playing, "has_display", lambda: False)
    with pytest.raises(InputError, match=r"there is no display.*--out FILE\.mp4 to make a video instead"):
        playing.show_in_window(players, CARTPOLE, [0])
    monkeypatch.setattr(playing, "has_display", lambda: True)
    gym.register("Unseen-v0", Blind)
    try:
        with pytest.raises(InputError, match="Unseen-v0 opens no window"):
            playing.show_in_window(players, EnvSpec("Unseen-v0", "Unseen-v0"), [0])
    finally:
        gym.registry.pop("Unseen-v0")


@pytest.mark.slow
def test_a_window_shows_the_episodes_that_a_video_shows(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv("SDL_VIDEODRIVER", "dummy")
    monkeypatch.setattr(playing, "has_display", lambda: True)
    players = [Player("r", RandomPolicy(ACTIONS))]
    seen = playing.show_in_window(players, CARTPOLE, [7])
    assert seen.path is None
    assert seen.episodes == playing.film(players, CARTPOLE, [7], tmp_path / "film.gif").episodes
