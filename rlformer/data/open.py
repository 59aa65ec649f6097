"""From what a user types to a dataset: a folder of ours, or a log in another format, imported.

A foreign log is imported once, below `datasets/`, under a name that holds a hash of its contents and of the
environment it was read for; whoever names it again gets the import.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Callable
from dataclasses import dataclass, replace
from functools import cached_property
from pathlib import Path

from rlformer.core import files
from rlformer.core.errors import InputError
from rlformer.core.records import EnvSpec
from rlformer.data.checks import check_spaces
from rlformer.data.dataset import Dataset, load
from rlformer.data.loaders import LOADERS
from rlformer.data.loaders.base import ForeignLog, Loader, Native
from rlformer.data.writer import DatasetWriter, tidy
from rlformer.envs.make import spaces_of
from rlformer.runs.hooks import Hooks
from rlformer.runs.metrics import Throttle
from rlformer.runs.waiting import in_line

Progress = Callable[[int, int], None]  # (episodes done, episodes in all)

_COMMIT_SECONDS = 5.0


def open_data(
    text: str, root: Path = Path("datasets"), env: EnvSpec | None = None, progress: Progress | None = None
) -> Dataset:
    """The dataset that `text` names; a foreign log is imported below `root`, or was already.

    env: gives a foreign log its action space, and its observations must fit; the spaces of a dataset of ours
    must be the environment's. Several processes may ask at once: one imports, the others wait. Raises InputError
    where `text` names no log or a broken one, or it does not fit `env`.
    """
    if is_ours(text):
        dataset = load(Path(text))
        if env is not None:
            _check_fit(text, dataset, env)
        return dataset
    located = _locate(text, env)
    folder = root / f"{files.slug(located.title)}-{located.key[:10]}"
    if (finished := _finished_import(folder, located.key)) is not None:
        return finished
    with files.locked(files.writable_directory(root) / ".lock", "import", wait=True):
        return _write(located.open(), folder, located.key, progress)


def import_data(text: str, out: Path, env: EnvSpec | None = None, progress: Progress | None = None) -> Dataset:
    """A foreign log as a dataset in the folder `out`; a finished import of the same is left alone.

    Where another process imports it there, it is waited for.

    Raises InputError as `open_data` does, where `text` is a dataset of ours, and where `out` holds another.
    """
    if is_ours(text):
        raise InputError(f"{text}: already a dataset, which needs no import")
    located = _locate(text, env)
    if (finished := _finished_import(out, located.key)) is not None:
        return finished
    return in_line(lambda: _write(located.open(), out, located.key, progress), Hooks())


def is_ours(text: str) -> bool:
    """Whether the text names a folder of our own, finished or not."""
    return (Path(text) / "dataset.json").is_file() or (Path(text) / "progress.json").is_file()


@dataclass(frozen=True)
class _Located:
    """Where a foreign log lies, and the loader that opens it for an environment."""

    text: str
    path: Path
    loader: Loader
    env: Native | None

    @property
    def title(self) -> str:
        """What its import is called."""
        return self.loader.title(self.path)

    @cached_property
    def key(self) -> str:
        """A hash of all bytes of the log, in the order of file names, and of what `env` is: 16 hex digits."""
        definition = json.dumps(self.env.definition if self.env else None, sort_keys=True)
        digest = hashlib.sha256(definition.encode())
        for path in sorted(self.path.rglob("*")) if self.path.is_dir() else [self.path]:
            if path.is_file():
                with path.open("rb") as file:
                    digest.update(hashlib.file_digest(file, "sha256").digest())
        return digest.hexdigest()[:16]

    def open(self) -> ForeignLog:
        """The log. Raises InputError, which names it, where it is broken or does not fit the environment."""
        try:
            return self.loader.open(self.path, self.env)
        except InputError as error:
            raise InputError(f"{self.text}: {error}") from error


def _locate(text: str, env: EnvSpec | None) -> _Located:
    for loader in LOADERS:
        if (path := loader.recognise(text)) is not None:
            return _Located(text, path, loader, Native.of(env) if env else None)
    kinds = [loader.words for loader in LOADERS]
    is_log = f"a log is {', '.join(['a dataset folder', *kinds[:-1]])}, or {kinds[-1]}"
    if Path(text).is_file():
        raise InputError(f"{text}: no dataset: a file of no known format; {is_log}")
    if Path(text).is_dir():
        raise InputError(f"{text}: no dataset: no dataset.json in it, and nothing else that is a log; {is_log}")
    for loader in LOADERS:
        if (advice := loader.absent(text)) is not None:
            raise InputError(advice)
    raise InputError(f"'{text}': no such file or folder, and no Minari id (name-v0); {is_log}")


def _check_fit(text: str, dataset: Dataset, env: EnvSpec) -> None:
    spaces = spaces_of(env)
    try:
        check_spaces(dataset.info, env.name, spaces)
    except InputError as error:
        raise InputError(f"{text}: {error}") from error


def _write(log: ForeignLog, path: Path, key: str, progress: Progress | None = None) -> Dataset:
    """The log as a dataset at `path`, going on with an unfinished import and leaving a finished one alone.

    key: identifies what is imported, contents and environment. Raises InputError where the log is not sound,
    with nothing left behind, and where `path` holds something else.
    """
    if (finished := _finished_import(path, key)) is not None:
        return finished
    state, due = {"import": key}, Throttle(_COMMIT_SECONDS)
    info = replace(log.info, provenance={**log.info.provenance, **state})
    try:
        writing = DatasetWriter(path, info)
    except InputError:
        if (finished := _finished_import(path, key)) is not None:  # meanwhile, by another process
            return finished
        raise
    with writing as writer:
        if writer.num_episodes and writer.state != state:
            raise InputError(f"{path}: an unfinished dataset from elsewhere; remove it or choose another --out")
        writer.commit(state)
        try:
            for episode in log.episodes(writer.num_episodes):
                writer.add(episode)
                if due():
                    writer.commit()
                    if progress:
                        progress(writer.num_episodes, log.num_episodes)
            dataset = writer.finish()
        except InputError as error:
            writer.discard()
            raise InputError(f"{log.source}: {error}") from error
    if progress:
        progress(log.num_episodes, log.num_episodes)
    return dataset


def _finished_import(path: Path, key: str) -> Dataset | None:
    """The dataset at `path`, if it is there and was imported from the same."""
    if not (path / "dataset.json").is_file():
        return None
    dataset = load(path)
    if dataset.info.provenance.get("import") != key:
        return None
    tidy(path)
    return dataset
