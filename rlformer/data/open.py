"""From what a user types to a dataset: a folder of ours, or a log in another format, imported.

A foreign log is imported once, below `datasets/`, under a name that holds a hash of its contents and of the
environment it was read for; whoever names it again gets the import. `read_in_place` keeps nothing.
"""

from __future__ import annotations

import hashlib
import json
import shutil
import tempfile
from collections.abc import Callable
from dataclasses import dataclass, replace
from functools import cached_property
from pathlib import Path

from rlformer.core import files
from rlformer.core.errors import InputError
from rlformer.core.records import EnvSpec
from rlformer.data.checks import check_spaces
from rlformer.data.dataset import Dataset
from rlformer.data.folder import load
from rlformer.data.loaders import LOADERS
from rlformer.data.loaders.base import ForeignLog, Loader, Native
from rlformer.data.loaders.names import AS_NAMED, Choice
from rlformer.data.shards import exists
from rlformer.data.writer import DatasetWriter, tidy
from rlformer.envs.make import spaces_of
from rlformer.runs import scratch
from rlformer.runs.hooks import Hooks
from rlformer.runs.metrics import Throttle
from rlformer.runs.waiting import in_line

Progress = Callable[[int, int], None]  # (episodes done, episodes in all)

_COMMIT_SECONDS = 5.0
_READING = 2  # raised where the same file is read differently from before, so that it is imported anew


def open_data(
    text: str,
    root: Path = Path("datasets"),
    env: EnvSpec | None = None,
    progress: Progress | None = None,
    choice: Choice = AS_NAMED,
) -> Dataset:
    """The dataset that `text` names; a foreign log is imported below `root`, or was already.

    env: gives a foreign log its action space, and its observations must fit; the spaces of a dataset of ours
    must be the environment's. choice: which columns of a foreign log are read. Several processes may ask at once: one
    imports, the others wait. Raises InputError where `text` names no log or a broken one, or it does not fit `env`.
    """
    if is_ours(text):
        return _ours(text, env, choice)
    located = _locate(text, env, choice)
    folder = root / f"{files.slug(located.title)}-{located.key[:10]}"
    if (finished := _finished_import(folder, located.key)) is not None:
        return finished
    with files.locked(files.writable_directory(root) / ".lock", "import", wait=True):
        return _write(located.open(), folder, located.key, progress)


def read_in_place(
    text: str, env: EnvSpec | None = None, progress: Progress | None = None, choice: Choice = AS_NAMED
) -> Dataset:
    """The dataset that `text` names, as `open_data` gives it, and nothing is kept of a foreign log.

    What is read of one lies in a temporary folder that is gone when this returns; its numbers are there as long as the
    dataset is. Raises InputError as `open_data` does.
    """
    if is_ours(text):
        return _ours(text, env, choice)
    located = _locate(text, env, choice)
    folder = Path(tempfile.mkdtemp(dir=scratch.folder(Path(tempfile.gettempdir()))))
    try:
        return replace(_write(located.open(), folder / "log", located.key, progress), path=None)
    finally:
        shutil.rmtree(folder, ignore_errors=True)


def import_data(
    text: str,
    out: Path,
    env: EnvSpec | None = None,
    progress: Progress | None = None,
    choice: Choice = AS_NAMED,
) -> Dataset:
    """A foreign log as a dataset in the folder `out`; a finished import of the same is left alone.

    Where another process imports it there, it is waited for.

    Raises InputError as `open_data` does, where `text` is a dataset of ours, and where `out` holds another.
    """
    if is_ours(text):
        raise InputError(f"{text}: is already a dataset and needs no import")
    located = _locate(text, env, choice)
    if (finished := _finished_import(out, located.key)) is not None:
        return finished
    return in_line(lambda: _write(located.open(), out, located.key, progress), Hooks())


def is_ours(text: str) -> bool:
    """Whether the text names a folder of our own, finished or not."""
    return exists(Path(text)) or (Path(text) / "progress.json").is_file()


@dataclass(frozen=True)
class _Located:
    """Where a foreign log lies, and the loader that opens it for an environment."""

    text: str
    path: Path
    loader: Loader
    env: Native | None
    choice: Choice

    @property
    def title(self) -> str:
        """What its import is called."""
        return self.loader.title(self.path)

    @cached_property
    def key(self) -> str:
        """A hash of all bytes of the log, in the order of file names, of what `env` is, and of how it is read."""
        definition = self.env.definition if self.env else None
        how = json.dumps([_READING, definition, self.choice.to_dict()], sort_keys=True)
        digest = hashlib.sha256(how.encode())
        for path in sorted(self.path.rglob("*")) if self.path.is_dir() else [self.path]:
            if path.is_file():
                with path.open("rb") as file:
                    digest.update(hashlib.file_digest(file, "sha256").digest())
        return digest.hexdigest()[:16]

    def open(self) -> ForeignLog:
        """The log. Raises InputError, which names it, where it is broken or does not fit the environment."""
        try:
            return self.loader.open(self.path, self.env, self.choice)
        except InputError as error:
            raise InputError(f"{self.text}: {error}") from error


def _ours(text: str, env: EnvSpec | None, choice: Choice) -> Dataset:
    if chosen := choice.to_dict():
        raise InputError(f"{text}: is already a dataset with known columns, so {', '.join(chosen)} has no effect")
    dataset = load(Path(text))
    if env is not None:
        check_fit(text, dataset, env)
    return dataset


def _locate(text: str, env: EnvSpec | None, choice: Choice) -> _Located:
    for loader in LOADERS:
        if (path := loader.recognise(text)) is not None:
            return _Located(text, path, loader, Native.of(env) if env else None, choice)
    kinds = [loader.words for loader in LOADERS]
    is_log = f"a log is {', '.join(['a dataset folder', *kinds[:-1]])}, or {kinds[-1]}"
    if Path(text).is_file():
        raise InputError(f"{text}: no dataset: {_what_is_wrong(Path(text))}; {is_log}")
    if Path(text).is_dir():
        raise InputError(f"{text}: not a dataset: it has no dataset.json and is not another kind of log; {is_log}")
    for loader in LOADERS:
        if (advice := loader.absent(text)) is not None:
            raise InputError(advice)
    raise InputError(f"'{text}': no such file or folder, and not a Minari id (name-v0); {is_log}")


def _what_is_wrong(path: Path) -> str:
    """With a file that no loader recognises."""
    if path.stat().st_size == 0:
        return "the file is empty"
    suffix = path.suffix.lower()
    if suffix in (".pkl", ".pickle"):
        return "a pickle, which is never read (use rlformer.dataset to make a log from arrays in Python)"
    if suffix == ".npy":
        return "a single array (use numpy.savez to store observations, actions, rewards and ends in one file)"
    for loader in LOADERS:
        if suffix in loader.suffixes:
            return f"called {suffix}, but its contents are not {loader.words}"
    return "a file of unknown format"


def check_fit(text: str, dataset: Dataset, env: EnvSpec) -> None:
    """Raise InputError, which names the log, where its spaces are not those of the environment."""
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
    notes = {"notes": list(log.notes)} if log.notes else {}
    info = replace(log.info, provenance={**log.info.provenance, **notes, **state})
    try:
        writing = DatasetWriter(path, info)
    except InputError:
        if (finished := _finished_import(path, key)) is not None:  # meanwhile, by another process
            return finished
        raise
    with writing as writer:
        if writer.num_episodes and writer.state != state:
            raise InputError(f"{path}: an unfinished dataset from another source; remove it or choose another --out")
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
