"""Logs that anybody may have written: nothing outside of a file is read, and nothing is expanded unchecked."""

from __future__ import annotations

import json
import zipfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

import h5py
import numpy as np
import pytest

from rlformer.core import untrusted
from rlformer.core.archives import check_zip
from rlformer.core.errors import InputError
from rlformer.data.open import open_data

STEPS = 6
COLUMNS = {
    "observations": np.zeros((STEPS, 3), np.float32),
    "actions": np.zeros((STEPS, 1), np.float32),
    "rewards": np.ones(STEPS, np.float32),
    "terminals": np.arange(STEPS) == STEPS - 1,
    "timeouts": np.zeros(STEPS, bool),
}


def write_hdf5(path: Path, without: str = "") -> h5py.File:
    file = h5py.File(path, "w")
    for name, column in COLUMNS.items():
        if name != without:
            file[name] = column
    return file


def external_link(path: Path) -> None:
    with h5py.File(path.with_name("other.h5"), "w") as other:
        other["observations"] = COLUMNS["observations"]
    with write_hdf5(path, "observations") as file:
        file["observations"] = h5py.ExternalLink("other.h5", "observations")


def external_storage(path: Path) -> None:
    path.with_name("secret").write_bytes(bytes(STEPS * 3 * 4))
    with write_hdf5(path, "observations") as file:
        file.create_dataset("observations", (STEPS, 3), "f4", external=[(str(path.with_name("secret")), 0, STEPS * 12)])


def virtual(path: Path) -> None:
    with h5py.File(path.with_name("other.h5"), "w") as other:
        other["observations"] = COLUMNS["observations"]
    with write_hdf5(path, "observations") as file:
        layout = h5py.VirtualLayout((STEPS, 3), "f4")
        layout[:] = h5py.VirtualSource(str(path.with_name("other.h5")), "observations", (STEPS, 3), "f4")
        file.create_virtual_dataset("observations", layout)


def soft_link(path: Path) -> None:
    with write_hdf5(path, "observations") as file:
        file["elsewhere"] = h5py.ExternalLink("/etc/passwd", "/")
        file["observations"] = h5py.SoftLink("/elsewhere/observations")


def hidden_in_a_group(path: Path) -> None:
    with write_hdf5(path) as file:
        file.create_group("deep/er")["link"] = h5py.ExternalLink("/etc/passwd", "/")


def sparse(path: Path) -> None:
    with write_hdf5(path, "observations") as file:
        file.create_dataset("observations", (10**9, 3), "f4", chunks=(1024, 3))


@pytest.mark.parametrize(
    ("write", "message"),
    [
        (external_link, "'observations' points outside of the file; such files are not read"),
        (external_storage, "'observations' points outside of the file; such files are not read"),
        (virtual, "'observations' points outside of the file; such files are not read"),
        (soft_link, "'elsewhere' points outside of the file; such files are not read"),
        (hidden_in_a_group, "'deep/er/link' points outside of the file; such files are not read"),
        (sparse, "expands to 12 GB, "),
    ],
)
def test_an_hdf5_file_is_not_followed_out_of_itself(
    workspace: Path, write: Callable[[Path], None], message: str
) -> None:
    write(workspace / "log.h5")
    with pytest.raises(InputError) as told:
        open_data("log.h5")
    assert str(told.value).startswith(f"log.h5: {message}")


def test_a_group_that_holds_itself_is_walked_once(workspace: Path) -> None:
    with write_hdf5(workspace / "log.h5") as file:
        group = file.create_group("a")
        group["a"] = group
    assert len(open_data("log.h5")) == 1


def npz(path: Path, **columns: Any) -> None:
    starts = np.arange(STEPS) == 0
    whole = {"obs": COLUMNS["observations"], "actions": COLUMNS["actions"], "rewards": COLUMNS["rewards"]}
    np.savez_compressed(path, **{**whole, "episode_starts": starts, **columns})


def member(path: Path, name: str, content: bytes) -> None:
    """Replace a member of an NPZ."""
    with zipfile.ZipFile(path) as old:
        kept = {each: old.read(each) for each in old.namelist()}
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as archive:
        for each, was in {**kept, name: content}.items():
            archive.writestr(each, was)


def test_a_bomb_is_refused_before_it_is_expanded(workspace: Path) -> None:
    npz(workspace / "log.npz")
    with (
        zipfile.ZipFile(workspace / "log.npz", "a", zipfile.ZIP_DEFLATED) as archive,
        archive.open("x.npy", "w") as file,
    ):
        for _ in range(300):
            file.write(bytes(1 << 20))
    with pytest.raises(
        InputError, match=r"^log.npz: expands to 0.31 GB, [\d,]+ times the size of its file, as no log does"
    ):
        open_data("log.npz")


def test_a_header_that_lies_is_told(workspace: Path) -> None:
    npz(workspace / "log.npz")
    header = b"\x93NUMPY\x01\x00" + (118).to_bytes(2, "little")
    said = "{'descr': '<f8', 'fortran_order': False, 'shape': (99999999999,), }"
    member(workspace / "log.npz", "rewards.npy", header + said.ljust(117).encode() + b"\n" + bytes(48))
    with pytest.raises(
        InputError, match=r"^log.npz: rewards is damaged: its header says 799,999,999,992 bytes, and it"
    ):
        open_data("log.npz")


@pytest.mark.parametrize(
    ("name", "message"),
    [
        ("../evil", "a member outside of itself"),
        ("/etc/x", "a member outside"),
        ("x" * 300, "a name of over 255 bytes"),
    ],
)
def test_names_in_a_zip_stay_inside(workspace: Path, name: str, message: str) -> None:
    with zipfile.ZipFile(workspace / "log.npz", "w") as archive:
        archive.writestr(name, b"")
    with pytest.raises(InputError, match=message):
        check_zip(workspace / "log.npz")


def test_an_encrypted_zip_is_one_line(workspace: Path) -> None:
    npz(workspace / "log.npz")
    content = bytearray((workspace / "log.npz").read_bytes())
    directory = content.index(b"PK\x01\x02")
    content[directory + 8] |= 1
    (workspace / "log.npz").write_bytes(content)
    with pytest.raises(InputError, match=r"^log.npz: an encrypted NPZ file: decrypt it first$"):
        open_data("log.npz")


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("[" * 100_000, "nested too deeply"),
        ('{"a":' * 99 + "1" + "}" * 99, "nested too deeply"),
        ('{"a": 1, "a": 2}', "the key 'a' appears twice"),
        ('{"a": NaN}', "NaN is not a JSON number"),
        ('{"a": 1e999}', "1e999 is too large"),
        ('{"a": ' + "9" * 5000 + "}", "not valid JSON"),
        ("[1]", "damaged: no object"),
        ("", "not valid JSON"),
    ],
)
def test_json_is_read_with_bounds(tmp_path: Path, text: str, message: str) -> None:
    (tmp_path / "x.json").write_text(text)
    with pytest.raises(InputError, match=rf"^{tmp_path}/x.json: .*{message}") as told:
        untrusted.json_object(tmp_path / "x.json")
    assert "\n" not in str(told.value)
    assert json.loads('{"a": 1}') == untrusted.object_in('{"a": 1}', "x")


@pytest.mark.parametrize(
    "text", ["a = " + "[" * 100_000, "a" + ".a" * 5000 + " = 1", "a = " + "9" * 5000, "a = 1\na = 2"]
)
def test_toml_is_read_with_bounds(tmp_path: Path, text: str) -> None:
    (tmp_path / "x.toml").write_text(text)
    with pytest.raises(InputError, match=r"x.toml: (nested too deeply|not valid TOML)"):
        untrusted.toml_table(tmp_path / "x.toml")


def test_a_mark_in_front_of_a_text_is_no_damage(tmp_path: Path) -> None:
    """Some editors of Windows begin a file in UTF-8 with one."""
    (tmp_path / "x.toml").write_text("a = 1", encoding="utf-8-sig")
    (tmp_path / "x.json").write_text('{"a": 1}', encoding="utf-8-sig")
    assert untrusted.toml_table(tmp_path / "x.toml") == untrusted.json_object(tmp_path / "x.json") == {"a": 1}
