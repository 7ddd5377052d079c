"""Bulk operations: a query that runs in the background over the whole shop and leaves a file of JSON lines.

An operation is CREATED, after a quarter of ``bulk_takes_s`` RUNNING, then COMPLETED or FAILED. It reads the shop as it
begins to run: a change made before that, though after its creation, is in the file, and one made while it runs is not.
Sources: shopify.dev, bulk operations, and the recorded answers of a live shop (API 2026-04).
"""

import itertools
import json
import secrets
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any, ClassVar, Final

from graphql import GraphQLError

from .bulk_lines import Lines
from .definitions import UserError
from .gids import gid

FILE_LIFE_S: Final = 7 * 24 * 3600.0
_FILES_KEPT: Final = 5
_RUNS_AFTER: Final = 0.25
_PIECE: Final = 64 * 1024
_JSON: Final = json.JSONEncoder(ensure_ascii=False, separators=(",", ":"))
UNDER_WAY: Final = ("CREATED", "RUNNING", "CANCELING")


@dataclass(frozen=True, slots=True)
class BulkFile:
    name: str
    pieces: tuple[bytes, ...]
    objects: int
    roots: int
    until: float

    @property
    def size(self) -> int:
        return sum(len(piece) for piece in self.pieces)


@dataclass(eq=False, slots=True)
class BulkOperation:
    kind: ClassVar[str] = "BulkOperation"
    id: int
    query: str
    created_at: datetime
    fails: str | None = None
    """The error code it is to end with, when that was scripted."""
    status: str = "CREATED"
    error_code: str | None = None
    completed_at: datetime | None = None
    file: BulkFile | None = None
    type = "QUERY"

    @property
    def gid(self) -> str:
        return gid(self.kind, self.id)

    @property
    def object_count(self) -> int:
        return self.file.objects if self.file else 0

    @property
    def root_object_count(self) -> int:
        return self.file.roots if self.file else 0

    @property
    def file_size(self) -> int | None:
        return self.file.size if self.file and self.file.objects and self.status == "COMPLETED" else None


class BulkOperations:
    """The operations of one app on one shop."""

    def __init__(self, at: Callable[[float, Callable[[], None]], None], monotonic: Callable[[], float]) -> None:
        self._at = at
        self._monotonic = monotonic
        self._all: dict[int, BulkOperation] = {}
        self._files: dict[str, BulkFile] = {}

    def get(self, number: int | None) -> BulkOperation | None:
        return None if number is None else self._all.get(number)

    @property
    def newest(self) -> BulkOperation | None:
        return next(reversed(self._all.values()), None)

    def refusal(self, at_once: int) -> UserError | None:
        """Why no further operation may start now."""
        running = [operation.gid for operation in self._all.values() if operation.status in UNDER_WAY]
        if len(running) < at_once:
            return None
        message = f"A bulk query operation for this app and shop is already in progress: {', '.join(running)}."
        return UserError(message, None, "OPERATION_IN_PROGRESS")

    def start(
        self,
        operation: BulkOperation,
        lines: Sequence[Lines],
        *,
        grouped: bool,
        takes_s: float,
        ended: Callable[[BulkOperation], None],
        now: Callable[[], datetime],
    ) -> None:
        """Let it run; ``ended`` is told once it is over."""
        self._all[operation.id] = operation

        def run() -> None:
            if operation.status != "CREATED":
                return
            operation.status = "RUNNING"
            try:
                operation.file = self._written(lines, grouped)
            except GraphQLError as error:
                denied = (error.extensions or {}).get("code") == "ACCESS_DENIED"
                operation.fails = "ACCESS_DENIED" if denied else "INTERNAL_SERVER_ERROR"

        def end() -> None:
            if operation.status == "CANCELING":
                operation.status = "CANCELED"
            else:
                operation.status = "COMPLETED" if operation.fails is None else "FAILED"
                operation.error_code = operation.fails
            operation.completed_at = now() if operation.status == "COMPLETED" else None
            self._keep(operation)
            ended(operation)

        self._at(takes_s * _RUNS_AFTER, run)
        self._at(takes_s, end)

    def file(self, name: str) -> BulkFile | None:
        """The file of this name while it is there; the name is all that guards it."""
        found = self._files.get(name)
        return found if found is not None and found.until > self._monotonic() else None

    def has_file_of(self, operation: BulkOperation) -> bool:
        return operation.file is not None and operation.file.objects > 0 and self.file(operation.file.name) is not None

    def _written(self, lines: Sequence[Lines], grouped: bool) -> BulkFile:
        pieces, held = [], bytearray()
        objects = roots = 0
        for each in _grouped(lines) if grouped else _by_level(lines):
            held += _JSON.encode(each).encode() + b"\n"
            objects += 1
            roots += "__parentId" not in each
            if len(held) >= _PIECE:
                pieces.append(bytes(held))
                held.clear()
        name = f"{secrets.token_hex(16)}.jsonl"
        return BulkFile(name, (*pieces, bytes(held)), objects, roots, self._monotonic() + FILE_LIFE_S)

    def _keep(self, operation: BulkOperation) -> None:
        """Put the file where it can be fetched; the oldest of many goes."""
        if operation.file is None or operation.status not in ("COMPLETED", "FAILED"):
            return
        self._files[operation.file.name] = operation.file
        for name in list(self._files)[:-_FILES_KEPT]:
            del self._files[name]


def _rows(lines: Lines, holder: Any, parent: Mapping[str, Any] | None) -> Iterator[tuple[Any, dict[str, Any]]]:
    for each in lines.objects(holder):
        written = lines.written(each)
        yield each, written if parent is None else {**written, "__parentId": parent["id"]}


def _grouped(tops: Sequence[Lines]) -> Iterator[dict[str, Any]]:
    """Children right below their parent."""

    def walk(lines: Lines, holder: Any, parent: Mapping[str, Any] | None) -> Iterator[dict[str, Any]]:
        for each, written in _rows(lines, holder, parent):
            yield written
            for below in lines.below:
                yield from walk(below, each, written)

    return itertools.chain.from_iterable(walk(top, None, None) for top in tops)


def _by_level(tops: Sequence[Lines]) -> Iterator[dict[str, Any]]:
    """Not grouped, as Shopify writes unless asked otherwise: a child may lie far from its parent."""
    level: list[tuple[Lines, Any, Mapping[str, Any] | None]] = [(top, None, None) for top in tops]
    while level:
        deeper: list[tuple[Lines, Any, Mapping[str, Any] | None]] = []
        for lines, holder, parent in level:
            for each, written in _rows(lines, holder, parent):
                yield written
                deeper.extend((below, each, written) for below in lines.below)
        level = deeper
