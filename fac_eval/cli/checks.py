"""The checks of `fac-eval doctor`: what works on this machine, what is missing, and what to do about it."""

from __future__ import annotations

import os
import platform
import re
import shutil
import subprocess
import sys
import tempfile
from dataclasses import dataclass
from functools import partial
from importlib.metadata import PackageNotFoundError, requires
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal, NamedTuple

from fac_eval.data.places import cache_root, offline_switch
from fac_eval.engine.environment import installed
from fac_eval.errors import FacEvalError, MissingExtra, MissingResource

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator

Status = Literal["ok", "missing", "problem"]

OLDEST_PYTHON = (3, 11)
LITTLE_SPACE = 2 * 10**9
CPU_ONLY = "CPU only"
_REQUIREMENT = re.compile(r"([A-Za-z0-9._-]+)[^;]*(?:;.*extra\s*==\s*['\"]([^'\"]+)['\"])?")
_COLLECTIONS = {"all", "test", "dev"}
_PURPOSES = {
    "datasets": "reading data sets straight from the hub",
    "faster-whisper": "Whisper on CTranslate2, quicker than the one of torch",
    "huggingface-hub": "fetching data sets with fac-eval prepare",
    "langdetect": "scorers that check an answer's language",
    "matplotlib": "figures for papers (fac-eval plot)",
    "nltk": "scorers that count sentences and words",
    "openai": "models and judges behind an OpenAI-compatible endpoint",
    "pandas": "results and samples as data frames",
    "pocketsphinx": "a small English recogniser for demos and tests",
    "safetensors": "Fun-Audio-Chat on this machine",
    "setuptools": "zhconv, which imports a part of it",
    "tokenizers": "Fun-Audio-Chat on this machine",
    "torch": "Fun-Audio-Chat on this machine",
    "transformers": "Fun-Audio-Chat on this machine",
    "jinja2": "Fun-Audio-Chat's chat template",
    "whisper-normalizer": "word error rates as the benchmarks count them",
    "zhconv": "Chinese text normalisation",
    "pyarrow": "Parquet: most data sets, and exports",
}
_NETWORK_FILE_SYSTEMS = re.compile(
    r"nfs\d?|cifs|smb\w*|afs|9p|ceph|glusterfs|lustre|gpfs|beegfs\w*|fuse\.(sshfs|s3fs|gcsfuse|rclone|glusterfs|ceph\w*)"
)


@dataclass(frozen=True, slots=True)
class Check:
    """One line of the report."""

    group: str
    name: str
    status: Status
    found: str = ""
    enables: str = ""
    remedy: str = ""
    core: bool = False
    """fac-eval is of no use without it."""


def all_checks(store: str) -> Iterator[Check]:
    """Every check, in the order of the report."""
    groups: dict[str, Callable[[], Iterator[Check]]] = {
        "python": _python,
        "core packages": _packages,
        "devices": _devices,
        "keys": _keys,
        "caches": _places,
        "store": partial(store_checks, Path(store)),
        "audio": _audio,
        "programs": _programs,
        "language": _language,
        "network": _network,
        "plugins": _plugins,
    }
    for group, checks in groups.items():
        try:
            yield from checks()
        except Exception as error:  # noqa: BLE001 (a machine in disorder is what this is for; the rest is still told)
            yield Check(
                group, "check", "problem", f"{type(error).__name__}: {error}", remedy="Reinstall fac-eval."
            )


def _python() -> Iterator[Check]:
    wanted = ".".join(map(str, OLDEST_PYTHON))
    good = sys.version_info >= OLDEST_PYTHON
    found = f"{platform.python_version()} in {sys.prefix}"
    remedy = "" if good else f"Install Python {wanted} or later."
    yield Check("python", "python", "ok" if good else "problem", found, remedy=remedy, core=True)


def _packages() -> Iterator[Check]:
    try:
        yield from packages(requires("fac-eval") or ())
    except PackageNotFoundError:
        found = "not installed as a package, so that no task or model can be found"
        yield Check("core packages", "fac-eval", "problem", found, "", "pip install fac-eval", core=True)


def packages(requirements: Iterable[str]) -> Iterator[Check]:
    """The packages that the distribution's metadata names: core ones, then those of each extra."""
    for requirement in requirements:
        match = _REQUIREMENT.match(requirement)
        if match is None or match[2] in _COLLECTIONS:
            continue
        name, extra = match[1], match[2]
        version = installed(name)
        purpose = _PURPOSES.get(name.lower(), "" if extra is None else f"the extra {extra}")
        install = "pip install fac-eval" if extra is None else f"pip install 'fac-eval[{extra}]'"
        group = "core packages" if extra is None else f"extra {extra}"
        if version is not None:
            yield Check(group, name, "ok", version, purpose, core=extra is None)
        elif extra is None:
            yield Check(group, name, "problem", "not installed", purpose, install, core=True)
        else:
            yield Check(group, name, "missing", "", purpose, install)


def _devices() -> Iterator[Check]:
    group, purpose = "devices", "local models on a GPU"
    tool, sees_gpu = shutil.which("nvidia-smi"), False
    if tool is None:
        yield Check(
            group, "nvidia-smi", "missing", "", purpose, "Install NVIDIA's driver, if there is a GPU."
        )
    else:
        status, found = _asked(tool, "--query-gpu=name,memory.total,driver_version", "--format=csv,noheader")
        sees_gpu = status == "ok"
        yield Check(
            group, "nvidia-smi", status, found, purpose, "" if sees_gpu else "Reinstall NVIDIA's driver."
        )
    if installed("torch") is None:
        yield Check(group, "torch", "missing", "", "local models", "pip install torch")
        return
    status, found = _tried(_torch)
    remedy = "" if status == "ok" else "Reinstall torch."
    if sees_gpu and found.endswith(CPU_ONLY):
        status, remedy = "problem", "There is a GPU that torch does not see: install a build of it for CUDA."
    yield Check(group, "torch", status, found, "local models", remedy)


def _torch() -> str:
    import torch

    cuda = torch.cuda
    if not cuda.is_available():
        return f"{torch.__version__}, {CPU_ONLY}"
    names = ", ".join(cuda.get_device_name(device) for device in range(cuda.device_count()))
    return f"{torch.__version__}, CUDA {torch.version.cuda}: {names}"


def _asked(*command: str) -> tuple[Status, str]:
    try:
        answer = subprocess.run(command, capture_output=True, text=True, timeout=20, check=False)
    except (OSError, subprocess.TimeoutExpired) as error:
        return "problem", str(error)
    text = "; ".join(
        (answer.stdout if answer.returncode == 0 else answer.stderr or answer.stdout).split("\n")
    )
    return ("ok" if answer.returncode == 0 else "problem"), text.strip("; ")


def _tried(work: Callable[[], str]) -> tuple[Status, str]:
    try:
        return "ok", work()
    except Exception as error:  # noqa: BLE001 (whatever goes wrong is what the report is about)
        return "problem", f"{type(error).__name__}: {error}"


def _keys() -> Iterator[Check]:
    group, hub = "keys", _hub()
    keys = {
        "OPENAI_API_KEY": (
            "hosted models and judges behind an OpenAI-compatible endpoint",
            "export OPENAI_API_KEY=..., or give the model api_key=; local endpoints need none.",
        ),
        "HF_TOKEN": ("data sets that are open only after a login", "hf auth login, or export HF_TOKEN=..."),
    }
    for name, (purpose, remedy) in keys.items():
        # Only whether there is one: its value is nobody's business.
        there = bool(os.environ.get(name, "").strip())
        login = name == "HF_TOKEN" and hub is not None and hub.token.is_file()
        found = "set" if there else "logged in" if login else ""
        yield Check(group, name, "ok" if found else "missing", found, purpose, "" if found else remedy)


class _Hub(NamedTuple):
    """Where the hub's library keeps its things."""

    cache: Path
    token: Path


def _hub() -> _Hub | None:
    try:
        from huggingface_hub import constants
    except ImportError:
        return None
    return _Hub(Path(constants.HF_HUB_CACHE), Path(constants.HF_TOKEN_PATH))


def _places() -> Iterator[Check]:
    group, hub = "caches", _hub()
    yield _place(group, "prepared data", cache_root(), "FAC_EVAL_CACHE names another place.")
    if hub is not None:
        yield _place(group, "hub cache", hub.cache, "HF_HOME names another place.")


def _place(group: str, name: str, folder: Path, remedy: str) -> Check:
    size = f"{_amount(_size(folder))} used" if folder.is_dir() else "not made yet"
    free = shutil.disk_usage(_existing(folder)).free
    found = f"{folder}: {size}, {_amount(free)} free"
    if free < LITTLE_SPACE:
        return Check(group, name, "problem", found, remedy=f"The disk is nearly full. {remedy}")
    return Check(group, name, "ok", found)


def _existing(folder: Path) -> Path:
    return next(place for place in (folder.absolute(), *folder.absolute().parents) if place.is_dir())


def _size(folder: Path) -> int:
    total = 0
    for place, _, names in os.walk(folder):
        for name in names:
            try:
                # Not following links: the hub's cache shows each file under several names.
                total += os.lstat(os.path.join(place, name)).st_size
            except OSError:  # gone meanwhile
                continue
    return total


def _amount(size: int) -> str:
    return f"{size / 1e9:.1f} GB" if size >= 1e8 else f"{size / 1e6:.1f} MB"


def store_checks(folder: Path) -> Iterator[Check]:
    """Whether runs can be kept in `folder`; nothing is left behind there."""
    group, remedy = "store", "Name another folder with --store or FAC_EVAL_STORE."
    there = _existing(folder)
    state = "" if folder.is_dir() else ", not made yet"
    try:
        with tempfile.TemporaryFile(dir=there):
            yield Check(group, "folder", "ok", f"{folder.absolute()}{state}, can be written")
    except OSError as error:
        found = f"{there} cannot be written: {error.strerror}"
        yield Check(group, "folder", "problem", found, "runs", remedy)
    kind = file_system(there)
    if kind is not None and _NETWORK_FILE_SYSTEMS.fullmatch(kind):
        found = f"{there} is on a network file system ({kind}), where SQLite's log does not work safely"
        yield Check(
            group, "file system", "problem", found, "runs that survive a crash", f"Use a local disk. {remedy}"
        )
    elif kind is not None:
        yield Check(group, "file system", "ok", kind)
    if (folder / "store.sqlite").exists():
        yield _content(group, folder)


def _content(group: str, folder: Path) -> Check:
    from fac_eval.store import Store

    try:
        with Store.reader(folder) as store:
            return Check(group, "content", "ok", f"{len(store.runs())} runs")
    except FacEvalError as error:
        return Check(group, "content", "problem", error.message, "the runs in it", error.remedy or "")


def file_system(path: Path, mounts: str | None = None) -> str | None:
    """The type of the file system that holds `path`, from the system's list of mounts; None if it has none."""
    if mounts is None:
        try:
            mounts = Path("/proc/self/mounts").read_text("utf-8", "surrogateescape")
        except OSError:
            return None
    longest, found = "", None
    for line in mounts.splitlines():
        _, place, kind, *_ = line.split(" ")
        place = re.sub(r"\\([0-7]{3})", lambda code: chr(int(code[1], 8)), place)
        # The longest of the fitting ones, and of equal ones the last, which covers the others.
        if path.resolve().is_relative_to(place) and len(place) >= len(longest):
            longest, found = place, kind
    return found


def _audio() -> Iterator[Check]:
    formats = {"wav": True, "flac": True, "mp3": False, "ogg": False, "opus": False}
    for name, core in formats.items():
        status, found = _tried(partial(_round_trip, name))
        remedy = "" if status == "ok" else "pip install -U soundfile soxr"
        yield Check("audio", name, status, found, f"clips in {name}", remedy, core=core)


def _round_trip(format: Any) -> str:
    """Encode a tenth of a second of sound and decode it again at another rate."""
    import numpy as np

    from fac_eval.audio import Audio

    tone = np.sin(np.arange(2400) * 0.1).astype(np.float32) / 2
    clip = Audio.from_bytes(Audio.from_samples(tone, 24_000).encoded(format), name=f"a {format} clip")
    loudest = float(np.abs(clip.samples(16_000)).max())
    if not 0.3 < loudest < 0.7:
        raise ValueError(f"a tone of 0.5 came back as {loudest:.2f}")
    return "decodes"


def _programs() -> Iterator[Check]:
    programs = {
        "flite": ("English speech of the synthesizer flite", "apt-get install flite"),
        "espeak-ng": ("speech of the synthesizer espeak-ng", "apt-get install espeak-ng"),
        "ffmpeg": (
            "resampling as UltraEval-Audio does it (whisper:variant=ultraeval)",
            "apt-get install ffmpeg",
        ),
    }
    for name, (purpose, install) in programs.items():
        found = shutil.which(name)
        remedy = "" if found else f"Debian and Ubuntu: {install}"
        yield Check("programs", name, "ok" if found else "missing", found or "", purpose, remedy)


def _language() -> Iterator[Check]:
    from fac_eval.metrics.text_resources import detect_language, sentence_tokenizer

    def sentences() -> str:
        return f"{len(sentence_tokenizer().tokenize('It is here. It works.'))} sentences told apart"

    def language() -> str:
        return f"detects {detect_language('This is here to see whether the detector works.')}"

    checks = {
        "punkt_tab": (sentences, "scorers that count sentences and words"),
        "langdetect": (language, "scorers that check an answer's language"),
    }
    for name, (work, purpose) in checks.items():
        try:
            yield Check("language", name, "ok", work(), purpose)
        except FacEvalError as error:
            status: Status = "missing" if isinstance(error, MissingExtra | MissingResource) else "problem"
            yield Check("language", name, status, error.message, purpose, error.remedy or "")


def _network() -> Iterator[Check]:
    from fac_eval.store import scrub

    switch = offline_switch()
    found = "allowed" if switch is None else f"kept off by {switch}: only what is on this machine is used"
    yield Check("network", "hub", "ok", found)
    for name in ("HF_ENDPOINT", "OPENAI_BASE_URL", "HTTPS_PROXY"):
        if os.environ.get(name):
            yield Check("network", name, "ok", scrub(os.environ[name]))


def _plugins() -> Iterator[Check]:
    from fac_eval import registry

    for kind in registry.GROUPS:
        working = 0
        for name, plugin in registry.load_all(kind):
            if not isinstance(plugin, registry.Broken):
                working += 1
                continue
            own = plugin.package == "fac-eval"
            remedy = f"pip install -U --force-reinstall {plugin.package}"
            reason = plugin.reason.splitlines()[0]
            yield Check("plugins", f"{kind} {name}", "problem", reason, "", remedy, core=own)
        if working:
            yield Check("plugins", kind, "ok", f"{working} can be loaded")
