"""A private PostgreSQL on a Unix socket in a folder of its own, from the distribution's packages; no TCP, no root."""

from __future__ import annotations

import os
import pwd
import shutil
import subprocess
import tempfile
import time
from pathlib import Path
from typing import Any
from urllib.parse import quote

import psycopg

_START_WITHIN_S = 30.0
_END_OTHERS = (
    "SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE datname = 'fleet' AND pid <> pg_backend_pid()"
)


def find_postgresql() -> Path | None:
    """The newest version's folder of programs."""
    found = sorted(Path("/usr/lib/postgresql").glob("*/bin/initdb"), key=lambda path: float(path.parts[-3]))
    if found:
        return found[-1].parent
    initdb = shutil.which("initdb")
    return Path(initdb).resolve().parent if initdb else None


class Postgres:
    """Made running. `stop` takes its folder away."""

    def __init__(self, programs: Path) -> None:
        self._programs = programs
        # Not below pytest's folder, which other users may not enter, and a socket's path may have 107 bytes.
        self.folder = Path(tempfile.mkdtemp(prefix="doorward-pg-", dir="/tmp"))
        self._user = _unprivileged()
        if self._user is not None:
            os.chown(self.folder, self._user.pw_uid, self._user.pw_gid)
        self._process: subprocess.Popen[bytes] | None = None
        self._made = False
        self._run("initdb", "-D", str(self.data), "-U", "doorward", "-E", "UTF8", "--locale=C", "-A", "trust", "-N")
        self.start()

    @property
    def data(self) -> Path:
        return self.folder / "data"

    def start(self) -> None:
        """Start, and wait until it takes connections. Not durable, hence fast: no test cuts its power."""
        options = ["-c", "listen_addresses=", "-c", "fsync=off", "-c", f"unix_socket_directories={self.folder}"]
        options += ["-c", "max_connections=40", "-c", "shared_buffers=32MB", "-c", "deadlock_timeout=100ms"]
        with (self.folder / "log").open("ab") as log:
            self._process = subprocess.Popen(
                [str(self._programs / "postgres"), "-D", str(self.data), *options], stdout=log, stderr=log, **self._as()
            )
        deadline = time.monotonic() + _START_WITHIN_S
        while not self._ready():
            assert self._process.poll() is None, self.log
            assert time.monotonic() < deadline, f"PostgreSQL takes no connections:\n{self.log}"
            time.sleep(0.05)

    def kill(self) -> None:
        """At once, as by a crash: what its clients have under way fails."""
        if self._process is not None:
            self._run("pg_ctl", "-D", str(self.data), "-m", "immediate", "-w", "stop")
            self._process.wait(20)
            self._process = None

    def stop(self) -> None:
        self.kill()
        shutil.rmtree(self.folder)

    def make_database(self, name: str, encoding: str = "UTF8") -> str:
        """A new, empty database; its address for `FleetStore.open`."""
        self._psql(f"CREATE DATABASE \"{name}\" ENCODING '{encoding}' LOCALE 'C' TEMPLATE template0")
        return self.url(name)

    def empty_database(self) -> str:
        """The same one each time, with nothing in it: faster than making one."""
        if not self._made:
            self.make_database("fleet")
            self._made = True
        with psycopg.connect(self.url("fleet"), autocommit=True) as connection:
            connection.execute(_END_OTHERS)
            connection.execute("DROP SCHEMA public CASCADE; CREATE SCHEMA public")
        return self.url("fleet")

    def url(self, name: str) -> str:
        return f"postgresql://doorward@/{name}?host={quote(str(self.folder), safe='')}"

    @property
    def log(self) -> str:
        return (self.folder / "log").read_text(errors="replace")[-3000:]

    def _psql(self, statement: str) -> None:
        self._run("psql", "-h", str(self.folder), "-U", "doorward", "-d", "postgres", "-qc", statement)

    def _ready(self) -> bool:
        command = [str(self._programs / "pg_isready"), "-q", "-h", str(self.folder)]
        return subprocess.run(command, check=False).returncode == 0

    def _run(self, program: str, *arguments: str) -> None:
        done = subprocess.run(
            [str(self._programs / program), *arguments], capture_output=True, check=False, cwd=self.folder, **self._as()
        )
        assert done.returncode == 0, (program, done.stderr.decode())

    def _as(self) -> dict[str, Any]:
        return {} if self._user is None else {"user": self._user.pw_uid, "group": self._user.pw_gid}


def _unprivileged() -> pwd.struct_passwd | None:
    """PostgreSQL refuses to run as root: somebody else then; else ourselves."""
    if os.geteuid() != 0:
        return None
    names = {entry.pw_name: entry for entry in pwd.getpwall()}
    return names.get("postgres") or names["nobody"]
