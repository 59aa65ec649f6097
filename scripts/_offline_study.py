"""A study of what learns from logs on one of D4RL's tasks: made by `rlformer` commands, told in one page.

results.json is written after every run. A study goes on from its own, or from another that --from names: what that
holds with as many gradient steps is not trained again, unless the log that is made here is another.
"""

from __future__ import annotations

import argparse
import json
import sys
from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import asdict, dataclass
from functools import partial
from pathlib import Path
from typing import Any

from _studies import (
    Score,
    at_least_one,
    kept_results,
    made_by,
    markdown,
    read_results,
    refuse,
    rlformer,
    shown,
    trained,
    write_json,
    write_text,
)

from rlformer.core import formats

# Preset keys that make 100,000 steps of batch 256 of each: where a preset stops early, or goes by the size of the log.
SEQUENCE = ("patience=0", "batch_size=256")
OFFLINE = ("batch_size=256", "log_steps=0")
OFFLINE_RL = ("td3-bc", "iql", "rebrac", "cql")
STEPS, QUICK_STEPS = 100_000, 60
LOG_STEPS, QUICK_LOG_STEPS = 200_000, 2_000
QUICK_SAC = 1_500


@dataclass(frozen=True)
class PublishedPlayer:
    """An agent that others trained, whose play is a log."""

    path: str  # below the folder of agents
    words: str


@dataclass(frozen=True)
class OfflineStudy:
    """What is trained on what."""

    env: str
    title: str
    seeds: int
    sac_steps: int | None  # None: nobody interacts, and there is no medium-replay log
    agents: tuple[str, ...]
    player: PublishedPlayer
    corl: Mapping[str, Mapping[str, float]]  # by log and agent
    corl_logs: Mapping[str, str]  # which data of D4RL these are on
    command: str  # which of the scripts, and how it is called

    def main(self, parser: argparse.ArgumentParser) -> None:
        """Run what is left of it, or write its page."""
        parser.add_argument("zoo", metavar="ZOO", type=Path, nargs="?", help="the folder of published agents")
        parser.add_argument("--agent", metavar="PATH", default=self.player.path, help="of them, below ZOO")
        parser.add_argument("--quick", action="store_true", help="few steps, one seed")
        parser.add_argument("--steps", metavar="AGENT=N", type=_steps, action="append", default=[],
                            help="gradient steps of one of them; may be repeated")  # fmt: skip
        parser.add_argument("--logs", metavar="NAME,...", default=",".join(self.logs), help="of: %(default)s")
        parser.add_argument("--jobs", type=at_least_one, default=1)
        parser.add_argument("--out", type=Path, help="default: reports/study-ENV")
        parser.add_argument("--from", dest="earlier", metavar="results.json", type=Path)
        parser.add_argument("--page", nargs=2, metavar=("results.json", "FILE"), type=Path)
        given = parser.parse_args()
        if given.page is not None:
            write_text(
                given.page[1],
                self.page(read_results(given.page[0], "quick", "online", "logs", "scores")),
            )
            return
        if given.zoo is None or not (given.zoo / given.agent).is_file():
            refuse(
                f"ZOO: name a folder that has {given.agent}" + ("" if given.zoo is None else f"; {given.zoo} has not")
            )
        if unknown := [agent for agent, _ in given.steps if agent not in self.agents]:
            refuse(f"--steps: no agent '{unknown[0]}' here; there are: {', '.join(self.agents)}")
        if unknown := sorted(set(given.logs.split(",")) - set(self.logs)):
            refuse(f"--logs: no log '{unknown[0]}' here; there are: {', '.join(self.logs)}")
        steps = dict.fromkeys(self.agents, QUICK_STEPS if given.quick else STEPS) | dict(given.steps)
        out = given.out or Path("reports") / f"study-{self.env}{'-quick' * given.quick}"
        found = kept_results(out / "results.json", given.earlier, given.quick, "scores")
        self.run(given.zoo / given.agent, out, given.quick, given.jobs, steps, given.logs.split(","), found)
        write_text(out / "page.md", self.page(found))

    @property
    def logs(self) -> tuple[str, ...]:
        """Those that are learned from."""
        return ("published",) if self.sac_steps is None else ("published", "medium-replay")

    def run(
        self,
        agent: Path,
        out: Path,
        quick: bool,
        jobs: int,
        steps: Mapping[str, int],
        logs: Sequence[str],
        found: dict[str, Any],
    ) -> None:
        """Train what `found` lacks, and keep it there. steps: gradient steps of each agent that learns from a log."""
        seeds = range(1 if quick else self.seeds)
        found |= {"env": self.env, "online": found.get("online", []), "logs": found.get("logs", {})}
        keep = partial(write_json, out / "results.json", found)
        makers: dict[str, Callable[[], tuple[Path, dict[str, Any]]]] = {
            "published": lambda: self.published(agent, out, quick),
            "medium-replay": lambda: self.medium_replay(out, quick),
        }
        for name in logs:
            if name == "medium-replay":
                self.online(out, quick, seeds, jobs, found["online"], keep)
            rows = [row for row in found["scores"].get(name, []) if row["gradient_steps"] == steps[row["agent"]]]
            if {(a, s) for a in self.agents for s in seeds} <= {(row["agent"], row["seed"]) for row in rows}:
                continue
            path, log = makers[name]()
            if rows and found["logs"][name]["hash"] != log["hash"]:
                print(f"{name}: another log than before: all is trained again on this one", file=sys.stderr)
                rows = []
            found["logs"][name], found["scores"][name] = log, rows
            done = {(row["agent"], row["seed"]) for row in rows}
            left = [(a, s) for a in self.agents for s in seeds if (a, s) not in done]
            with ThreadPoolExecutor(jobs) as pool:
                learn = partial(self.learn, path, out)
                for row in pool.map(lambda one, learn=learn: learn(*one, steps[one[0]]), left):
                    rows.append(row)
                    keep()

    def online(
        self,
        out: Path,
        quick: bool,
        seeds: range,
        jobs: int,
        rows: list[dict[str, Any]],
        keep: Callable[[], None],
    ) -> None:
        """SAC's own scores. The training of seed 0 keeps its episodes: the log comes from it."""
        steps = str(QUICK_SAC if quick else self.sac_steps)

        def one(seed: int) -> dict[str, Any]:
            words = ["train-agent", self.env, "--steps", steps, "--out", str(out / "runs")]
            return _row(trained("sac", seed, *words, *(["--log-trajectories"] if seed == 0 else [])))

        done = {row["seed"] for row in rows}
        with ThreadPoolExecutor(jobs) as pool:
            for row in pool.map(one, [seed for seed in seeds if seed not in done]):
                rows.append(row)
                keep()

    def medium_replay(self, out: Path, quick: bool) -> tuple[Path, dict[str, Any]]:
        """The log of SAC's training up to its middle, made by make_logs; and what is told of it."""
        import subprocess

        steps = str(QUICK_SAC if quick else self.sac_steps)
        script = Path(__file__).resolve().parent / "make_logs"
        words = ["--steps", steps, "--kinds", "medium-replay", "--out", str(out / "logs"), "--runs", str(out / "runs")]
        done = subprocess.run([sys.executable, str(script), self.env, *words], stdout=sys.stderr, check=False)
        if done.returncode:
            sys.exit(done.returncode)
        (row,) = json.loads((out / "logs" / self.env / "logs.json").read_text())["logs"]
        return _told(row["path"], row["z"], "what SAC met until it was half as good as D4RL's expert")

    def published(self, agent: Path, out: Path, quick: bool) -> tuple[Path, dict[str, Any]]:
        """The log of the play of an agent that others trained; and what is told of it."""
        folder = out / "logs" / "published"
        steps = str(QUICK_LOG_STEPS if quick else LOG_STEPS)
        rlformer("collect", str(agent), *_where(agent, self.env), "--steps", steps, "--trust", "--out", str(folder))
        return _told(str(folder), None, f"the play of {self.player.words}, {agent.parent.name}, greedy")

    def learn(self, log: Path, out: Path, agent: str, seed: int, steps: int) -> dict[str, Any]:
        """One run on a log."""
        settings = OFFLINE if agent in OFFLINE_RL else SEQUENCE
        words = [word for key in (*settings, f"gradient_steps={steps}") for word in ("--set", key)]
        command = ["train-agent", "--dataset"] if agent in OFFLINE_RL else ["train-transformer"]
        score = trained(agent, seed, *command, str(log), *words, "--out", str(out / "runs"))
        return {**_row(score), "gradient_steps": steps}

    def page(self, found: Mapping[str, Any]) -> str:
        """The document, from results.json alone."""
        parts = [f"# {self.title}: what learns from a log", ""]
        if found["quick"]:
            parts += ["A proof that all of it runs, of few steps: its figures mean nothing.", ""]
        if found["online"]:
            scores = [100 * score["z"] for score in found["online"]]
            parts += [f"SAC, {len(scores)} seeds, at its end: {shown(scores)} of D4RL's score.", ""]
        for name, log in found["logs"].items():
            z = f"{100 * log['z']:.1f}"
            head = [
                "agent",
                "gradient steps",
                "score",
                "least",
                "most",
                "against the log",
                f"CORL, {self.corl_logs[name]}",
            ]
            rows = []
            for agent in dict.fromkeys(score["agent"] for score in found["scores"][name]):
                own = [100 * score["z"] for score in found["scores"][name] if score["agent"] == agent]
                theirs = self.corl.get(name, {}).get(agent)
                gap = sum(own) / len(own) - 100 * log["z"]
                corl = "-" if theirs is None else f"{theirs:.1f}"
                steps = f"{next(row['gradient_steps'] for row in found['scores'][name] if row['agent'] == agent):,}"
                rows.append([agent, steps, shown(own), f"{min(own):.1f}", f"{max(own):.1f}", f"{gap:+.1f}", corl])
            about = (
                f"{log['steps']:,} steps, {log['episodes']:,} episodes, mean score {z} (best {100 * log['best']:.1f})"
            )
            parts += [f"## {name}, z = {log['z']:.2f}", "", f"The log is {log['words']}: {about}.", ""]
            parts += [markdown(head, rows), ""]
        seeds = max((score["seed"] for rows in found["scores"].values() for score in rows), default=0) + 1
        parts += [
            "Score: 100 (R - random) / (expert - random) with D4RL's constants, of v2: mean and standard error over "
            f"{formats.plural(seeds, 'seed')},",
            "100 greedy episodes of the last weights, gradient steps of batch 256. CORL's column is of its *last* "
            "checkpoint",
            "after 1,000,000 steps on D4RL's own logs: other data, v2 for v5, so a neighbour and no target.",
            "",
            made_by(self.command, f"{self.env.partition('-')[0].lower()}.json"),
            "",
        ]
        return "\n".join(parts)


def _where(agent: Path, env: str) -> list[str]:
    """`--env`, unless the agent's own folder says that it saw more than the environment shows."""
    config = agent.with_suffix("") / "config.yml"
    timed = config.is_file() and "TimeFeatureWrapper" in config.read_text()
    return [] if timed else ["--env", env]


def _steps(text: str) -> tuple[str, int]:
    """Of the command line: AGENT=N."""
    agent, _, steps = text.partition("=")
    if not agent or not steps.isdecimal() or int(steps) < 1:
        raise argparse.ArgumentTypeError(f"AGENT=N, such as dt=30000, got '{text}'")
    return agent, int(steps)


def _row(score: Score) -> dict[str, Any]:
    """What results.json keeps of a run: nothing of where it lies."""
    return {key: value for key, value in asdict(score).items() if key != "run"}


def _told(path: str, z: float | None, words: str) -> tuple[Path, dict[str, Any]]:
    """Where a log lies, and what a page says of it."""
    from rlformer.data.folder import load
    from rlformer.studies.logs import dataset_env

    dataset = load(Path(path))
    env = dataset_env(dataset)
    mean, best = (env.normalize(float(value)) for value in (dataset.returns.mean(), dataset.returns.max()))
    return Path(path), {
        "words": words, "z": mean if z is None else z, "best": best, "episodes": len(dataset),
        "steps": dataset.num_steps, "hash": dataset.hash,
    }  # fmt: skip
