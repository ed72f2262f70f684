"""Export and import of people: an encrypted archive under a passphrase, so that a dead door's people move to a new one.

Inside the stream of `archive_format` is one JSON document a line: first what this is, then a person a line with their
exemplars, last how many there were. The device key and the people's own keys stay at home; the new door makes its own.

An archive is taken in by portions, each committed on its own, so that a door goes on recognizing meanwhile. It is read
twice: first as a whole, so that one that is damaged anywhere changes nothing. Taking in is idempotent, so that one that
was cut short is gone on with by beginning again.
"""

from __future__ import annotations

import base64
import json
import os
from collections.abc import Collection, Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any, BinaryIO

from edge.errors import StoreError
from edge.store.archive_format import Archive, ArchiveError, ScryptCost, encrypt
from edge.store.durable import fsync_directory
from edge.store.templates import TemplateStore
from edge.store.transfer import check_record, take_out
from edge.store.types import ExemplarRecord, Kind, PersonRecord

_FORMAT = "doorward-people"
_VERSION = 1
# A person with 50 exemplars of 512 dimensions, each with 16 views, is 700 KB.
_LONGEST_LINE = 16 << 20
_MOST_PEOPLE = 100_000
# Of a portion: a few people, whom a door takes in between two frames.
_ROWS_AT_ONCE = 80
_TELL_EVERY = 1000


@dataclass(frozen=True, slots=True)
class Exported:
    """What went into an archive. damage: a line for each row that could not be read and is not in it."""

    people: int
    exemplars: int
    damage: tuple[str, ...]


def export_people(
    store: TemplateStore,
    path: Path,
    passphrase: str,
    *,
    wall_s: float,
    only: Collection[str] | None = None,
    cost: ScryptCost | None = None,
) -> Exported:
    """Write everybody, or the people of these ids, to a new file of mode 0600.

    Raises:
        StoreError: the file exists already, the passphrase is too short, or the disk does not take it; no file is left.
    """
    damage: list[str] = []
    counts = [0, 0]
    try:
        descriptor = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, 0o600)
    except FileExistsError:
        raise StoreError(f"{path}: is there already: name a new file, an export is never overwritten") from None
    except OSError as error:
        raise StoreError(f"{path}: cannot write the export: {error.strerror}") from None
    try:
        # Not by a rename: a stick's file system often knows no links, and a cut archive is recognized as one.
        with os.fdopen(descriptor, "wb") as file:
            encrypt(file, _lines(take_out(store, damage, only), wall_s, counts), passphrase, cost)
            file.flush()
            os.fsync(file.fileno())
        fsync_directory(path.absolute().parent)
    except StoreError:
        path.unlink(missing_ok=True)
        raise
    except OSError as error:
        path.unlink(missing_ok=True)
        raise StoreError(f"{path}: cannot write the export: {error.strerror}") from None
    return Exported(counts[0], counts[1], tuple(damage))


@dataclass(frozen=True, slots=True)
class Portion:
    """Some people of an archive, for one transaction; nobody while it is looked through. news: a line, now and then."""

    records: tuple[PersonRecord, ...] = ()
    news: str | None = None


def portions(source: BinaryIO, passphrase: str) -> Iterator[Portion]:
    """Everybody of an archive, in portions; whoever was merged comes after the one they were merged into.

    Touches no store, so that another thread than the store's may do it.

    Raises:
        WrongPassphraseError: as far as can be told (see `archive_format`).
        ArchiveError: damaged, cut off, or not an archive.
        StoreError: a record is not what it should be.
    """
    archive = Archive(source, passphrase)
    count = 0
    for count, record in enumerate(_records(archive.plain()), 1):
        check_record(record)
        if count % _TELL_EVERY == 0:
            yield Portion(news=f"looked through {count} people")
    taken = 0
    for records in _together(_holders_first(_records(archive.plain()))):
        before, taken = taken, taken + len(records)
        told = taken // _TELL_EVERY > before // _TELL_EVERY
        yield Portion(records, f"took in {taken} of {count} people" if told else None)


def _together(records: Iterable[PersonRecord]) -> Iterator[tuple[PersonRecord, ...]]:
    held: list[PersonRecord] = []
    rows = 0
    for record in records:
        held.append(record)
        rows += 1 + len(record.exemplars)
        if rows >= _ROWS_AT_ONCE:
            yield tuple(held)
            held, rows = [], 0
    if held:
        yield tuple(held)


def _holders_first(records: Iterable[PersonRecord]) -> Iterator[PersonRecord]:
    """Those who go by their own id as they come; then the others, each after the one they were merged into."""
    merged: dict[str, PersonRecord] = {}
    for record in records:
        if record.merged_into is None:
            yield record
        else:
            merged[record.id] = record
    while merged:
        ready = [record for record in merged.values() if record.merged_into not in merged]
        for record in ready or list(merged.values()):  # a ring is none that a door made
            yield merged.pop(record.id)


def _lines(records: Iterable[PersonRecord], wall_s: float, counts: list[int]) -> Iterator[bytes]:
    yield _line({"format": _FORMAT, "version": _VERSION, "made_s": wall_s})
    for record in records:
        yield _line(_person_document(record))
        counts[0] += 1
        counts[1] += len(record.exemplars)
    yield _line({"people": counts[0], "exemplars": counts[1]})


def _line(document: dict[str, Any]) -> bytes:
    return json.dumps(document, separators=(",", ":")).encode() + b"\n"


def _person_document(record: PersonRecord) -> dict[str, Any]:
    return {
        "id": record.id,
        "name": record.name,
        "verified": record.verified,
        "created_s": record.created_s,
        "seen_s": record.seen_s,
        "merged_into": record.merged_into,
        "exemplars": [
            {
                "id": exemplar.id,
                "kind": exemplar.kind,
                "review": exemplar.review,
                "record": _text(exemplar.record),
                "views": None if exemplar.views is None else _text(exemplar.views),
            }
            for exemplar in record.exemplars
        ],
    }


def _records(plain: Iterator[bytes]) -> Iterator[PersonRecord]:
    documents = _documents(plain)
    head = next(documents, {})
    if head.get("format") != _FORMAT or head.get("version") != _VERSION:
        raise ArchiveError(f"holds form {head.get('version')!r}, which is not known here: a newer Doorward made it")
    exemplars = 0
    for people, document in enumerate(documents):
        if "people" in document:
            if document != {"people": people, "exemplars": exemplars}:
                raise ArchiveError("holds another number of people than it says")
            return
        record = _parse_person(document)
        exemplars += len(record.exemplars)
        if people >= _MOST_PEOPLE:
            raise ArchiveError(f"holds more than {_MOST_PEOPLE} people")
        yield record
    raise ArchiveError("ends too early")


def _documents(plain: Iterator[bytes]) -> Iterator[dict[str, Any]]:
    held = b""
    for chunk in plain:
        *lines, held = (held + chunk).split(b"\n")
        if len(held) > _LONGEST_LINE:
            raise ArchiveError("holds a line that is too long")
        for line in lines:
            try:
                document = json.loads(line)
            except (ValueError, RecursionError):
                raise ArchiveError("holds a line that is not JSON") from None
            if not isinstance(document, dict):
                raise ArchiveError("holds a line that is not an object")
            yield document


def _parse_person(document: dict[str, Any]) -> PersonRecord:
    try:
        merged_into, seen_s = document["merged_into"], document["seen_s"]
        return PersonRecord(
            id=_word(document["id"]),
            name=_word(document["name"]),
            verified=document["verified"] is True,
            created_s=float(document["created_s"]),
            seen_s=None if seen_s is None else float(seen_s),
            merged_into=None if merged_into is None else _word(merged_into),
            exemplars=tuple(map(_parse_exemplar, document["exemplars"])),
        )
    except (ValueError, KeyError, TypeError) as error:
        raise ArchiveError(f"holds a person's record that is not one ({type(error).__name__}: {error})") from None


def _parse_exemplar(document: dict[str, Any]) -> ExemplarRecord:
    review, views = document["review"], document["views"]
    return ExemplarRecord(
        id=_word(document["id"]),
        kind=Kind(document["kind"]),
        review=None if review is None else _word(review),
        record=base64.b64decode(document["record"], validate=True),
        views=None if views is None else base64.b64decode(views, validate=True),
    )


def _text(data: bytes) -> str:
    return base64.b64encode(data).decode("ascii")


def _word(value: Any) -> str:
    if not isinstance(value, str):
        raise TypeError("not a text")
    return value
