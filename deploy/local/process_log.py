"""What the processes say: one file each, and one stream of lines that name who speaks."""

from __future__ import annotations

import asyncio
from pathlib import Path
from typing import TextIO

COLOURS = (36, 33, 35, 32, 34, 96, 93, 95, 92, 94)
CHUNK = 65_536


class ProcessLog:
    """``stream`` gets the prefixed lines (None: nobody looks), coloured when it is a terminal."""

    def __init__(self, folder: Path, stream: TextIO | None, width: int = 12) -> None:
        self._folder = folder
        self._stream = stream
        self._width = width
        self._colours: dict[str, int] = {}
        self._last: dict[str, str] = {}

    def last_line(self, name: str) -> str:
        """The last line that is not blank, for an error message."""
        return self._last.get(name, "it said nothing")

    async def follow(self, name: str, reader: asyncio.StreamReader) -> None:
        """Take lines of any length until the process closes its output."""
        # In pieces of our own: StreamReader.readline gives up on a line longer than its limit.
        rest = b""
        with (self._folder / f"{name}.log").open("ab") as file:
            while piece := await reader.read(CHUNK):
                file.write(piece)
                file.flush()
                *lines, rest = (rest + piece).split(b"\n")
                for line in lines:
                    self.say(name, line.decode(errors="replace").rstrip())
            if rest:
                self.say(name, rest.decode(errors="replace").rstrip())

    def say(self, name: str, line: str) -> None:
        if line.strip():
            self._last[name] = line.strip()
        if self._stream is not None:
            self._stream.write(f"{self._prefix(name)} {line}\n")
            self._stream.flush()

    def _prefix(self, name: str) -> str:
        prefix = f"{name:<{self._width}} |"
        if self._stream is None or not self._stream.isatty():
            return prefix
        colour = self._colours.setdefault(name, COLOURS[len(self._colours) % len(COLOURS)])
        return f"\x1b[{colour}m{prefix}\x1b[0m"
