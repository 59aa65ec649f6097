"""Python, rlformer, the libraries that it needs, what is optional, and the user's cards."""

from __future__ import annotations

import platform
import sys
from collections.abc import Mapping
from functools import cache
from importlib import metadata
from pathlib import Path

from rlformer.core.extras import EXTRAS, missing_modules
from rlformer.studies.doctor.examination import Finding

_OLDEST = (3, 11)


def python() -> list[Finding]:
    """The interpreter, its platform, and whether it prints every letter."""
    found = f"{platform.python_version()}, {sys.executable}"
    old = sys.version_info < _OLDEST
    mend = f"install Python {_OLDEST[0]}.{_OLDEST[1]} or newer, then: pip install rlformer" if old else None
    findings = [
        Finding("Python", "wrong" if old else "ok", found, mend),
        Finding("platform", "ok", f"{platform.platform()}, {platform.machine()}"),
    ]
    encoding = (getattr(sys.stdout, "encoding", None) or "utf-8").lower().replace("-", "")
    if encoding != "utf8":
        findings.append(Finding("letters", "warning", f"standard output takes {encoding}", "export PYTHONUTF8=1"))
    return findings


def rlformer() -> list[Finding]:
    """Which version, and where it lies."""
    where = Path(__file__).resolve().parents[2]
    try:
        return [Finding("rlformer", "ok", f"{metadata.version('rlformer')}, {where}")]
    except metadata.PackageNotFoundError:
        return [Finding("rlformer", "warning", f"{where}, not installed", "pip install rlformer")]


def libraries() -> list[Finding]:
    """What rlformer needs: one line if all is there, else one for each that is missing or of another version."""
    from packaging.requirements import Requirement

    try:
        needed = [Requirement(text) for text in metadata.requires("rlformer") or ()]
    except metadata.PackageNotFoundError:
        return []
    needed = [each for each in needed if each.marker is None or each.marker.evaluate({"extra": ""})]
    findings = []
    for each in needed:
        plain = f"{each.name}{each.specifier}"
        try:
            version = metadata.version(each.name)
        except metadata.PackageNotFoundError:
            findings.append(Finding(each.name, "wrong", "not installed", f"pip install '{plain}'"))
            continue
        if not each.specifier.contains(version, prereleases=True):
            findings.append(
                Finding(each.name, "wrong", f"{version}, needed {each.specifier}", f"pip install '{plain}'")
            )
    return findings or [Finding("libraries", "ok", f"all {len(needed)} that are needed")]


def torch() -> list[Finding]:
    """Its version, the build, the GPUs, and how many threads it takes."""
    try:
        import torch
    except Exception as error:  # a broken installation fails in its own way
        what = f"cannot be imported: {type(error).__name__}: {' '.join(str(error).split())}"
        return [Finding("torch", "wrong", what, "pip install --force-reinstall torch")]
    build = f"CUDA {torch.version.cuda} build" if torch.version.cuda else "CPU build"
    findings = [Finding("torch", "ok", f"{torch.__version__}, {build}, {torch.get_num_threads()} threads")]
    driver = Path("/proc/driver/nvidia/version").exists()
    if torch.cuda.is_available():
        names = [torch.cuda.get_device_name(i) for i in range(torch.cuda.device_count())]
        return [*findings, Finding("device", "ok", f"cpu, {', '.join(f'cuda:{i} ({n})' for i, n in enumerate(names))}")]
    if driver and not torch.version.cuda:
        mend = "pip install --force-reinstall torch --index-url https://download.pytorch.org/whl/cu126"
        return [
            *findings,
            Finding("device", "warning", "cpu; this machine has an NVIDIA GPU that this build cannot use", mend),
        ]
    if driver:
        return [
            *findings,
            Finding("device", "warning", "cpu; the NVIDIA driver does not support this build", "nvidia-smi"),
        ]
    return [*findings, Finding("device", "ok", "cpu")]


def extras() -> list[Finding]:
    """Every extra of rlformer."""
    findings = []
    for extra, modules in EXTRAS.items():
        missing = missing_modules(extra)
        found = f"not installed: {', '.join(missing)}" if missing else _versions(modules)
        mend = f"pip install 'rlformer[{extra}]'" if missing else None
        findings.append(Finding(f"extra {extra}", "absent" if missing else "ok", found, mend))
    return findings


def cards() -> list[Finding]:
    """Whether every card of environments and agents can be read, the user's own among them."""
    from rlformer.core.errors import InputError

    try:
        from rlformer.agents import cards as agent_cards
        from rlformer.envs import cards as env_cards

        found = f"{len(env_cards.environments())} environments, {len(agent_cards.agents())} agents"
    except InputError as error:
        return [Finding("cards", "wrong", str(error), "fix the file, or move it out of envs/ and agents/")]
    except ImportError as error:
        return [Finding("cards", "wrong", " ".join(str(error).split()), "pip install --force-reinstall rlformer")]
    return [Finding("cards", "ok", found)]


def _versions(modules: tuple[str, ...]) -> str:
    by_module = _distributions()
    names = [by_module.get(module, [module])[0] for module in modules]
    return ", ".join(f"{name} {_version(name)}" for name in names)


@cache
def _distributions() -> Mapping[str, list[str]]:
    """The distributions that bring each module."""
    return metadata.packages_distributions()


def _version(name: str) -> str:
    try:
        return metadata.version(name)
    except metadata.PackageNotFoundError:
        return "of an unknown version"
