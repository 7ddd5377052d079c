"""What came out: the numbers of each round, their medians, and whether they are good enough."""

from __future__ import annotations

import json
import statistics
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any, Final

LEAST_TO_PEER: Final = 8.0
"""How many times the straightforward consumer one hop must be."""
LEAST_TO_RAW: Final = 0.2
"""What part of the raw copy one hop must be."""
MOST_MATCH_MS: Final = 2.0
"""In how many milliseconds one line must be matched from a million variants, at the median."""
MOST_CATALOGUE_MIB: Final = 400.0
"""What a matcher may hold at most while it loads a catalogue, whatever its size."""


@dataclass(frozen=True)
class Rounds:
    """Records a second of every round, in the order measured."""

    hop: tuple[float, ...]
    peer: tuple[float, ...]
    raw: tuple[float, ...]


@dataclass(frozen=True)
class Catalogue:
    """A catalogue of a million variants: the load, its most memory, and matching one line from it."""

    variants: int
    seconds: float
    peak_mib: float
    sku_ms: float
    title_ms: float

    @property
    def match_ms(self) -> float:
        """The slower of the two."""
        return max(self.sku_ms, self.title_ms)


@dataclass(frozen=True)
class Result:
    machine: Mapping[str, Any]
    date: str
    orders: Mapping[str, int]
    rounds: Rounds
    rss_mib: Mapping[str, float]
    catalogue: Catalogue

    @property
    def hop_per_s(self) -> float:
        return statistics.median(self.rounds.hop)

    @property
    def peer_per_s(self) -> float:
        return statistics.median(self.rounds.peer)

    @property
    def raw_per_s(self) -> float:
        return statistics.median(self.rounds.raw)

    @property
    def hop_ratio_to_peer(self) -> float:
        return self.hop_per_s / self.peer_per_s

    @property
    def hop_ratio_to_raw(self) -> float:
        return self.hop_per_s / self.raw_per_s

    def shortfalls(self) -> list[str]:
        """One sentence for each promise that does not hold."""
        found = []
        if self.hop_ratio_to_peer < LEAST_TO_PEER:
            found.append(
                f"one hop is {self.hop_ratio_to_peer:.1f} times the straightforward consumer, it must be "
                f"{LEAST_TO_PEER:g} times"
            )
        if self.hop_ratio_to_raw < LEAST_TO_RAW:
            found.append(f"one hop is {self.hop_ratio_to_raw:.2f} of the raw copy, it must be {LEAST_TO_RAW:g}")
        if self.catalogue.match_ms >= MOST_MATCH_MS:
            found.append(
                f"a line is matched in {self.catalogue.match_ms:.2f} ms, it must be under {MOST_MATCH_MS:g} ms"
            )
        if self.catalogue.peak_mib > MOST_CATALOGUE_MIB:
            found.append(f"a load took {self.catalogue.peak_mib:.0f} MiB, it may take {MOST_CATALOGUE_MIB:g} MiB")
        return found

    def as_json(self) -> dict[str, Any]:
        return {
            "machine": dict(self.machine),
            "date": self.date,
            "orders": dict(self.orders),
            "hop_per_s": round(self.hop_per_s),
            "peer_per_s": round(self.peer_per_s),
            "raw_per_s": round(self.raw_per_s),
            "hop_ratio_to_peer": round(self.hop_ratio_to_peer, 1),
            "hop_ratio_to_raw": round(self.hop_ratio_to_raw, 3),
            "rss_mib": dict(self.rss_mib),
            "match_median_ms_1m": self.catalogue.match_ms,
            "catalogue_peak_mib": self.catalogue.peak_mib,
            "catalogue": asdict(self.catalogue),
            "rounds": {name: [round(rate) for rate in rates] for name, rates in vars(self.rounds).items()},
        }

    def write(self, path: Path) -> None:
        path.write_text(json.dumps(self.as_json(), indent=2) + "\n", encoding="utf-8")

    def table(self) -> str:
        """For a person."""
        medians = {"hop": self.hop_per_s, "peer": self.peer_per_s, "raw": self.raw_per_s}
        meaning = {
            "hop": "imported → matched, the real matcher",
            "peer": "straightforward consumer, same rule",
            "raw": "the same bytes copied, nothing else",
        }
        lines = [f"{'':<6}{'orders/s':>10}   {'rounds':<26}"]
        for name, median in medians.items():
            rounds = "  ".join(f"{rate:,.0f}" for rate in getattr(self.rounds, name))
            lines.append(f"{name:<6}{median:>10,.0f}   {rounds:<26}   {meaning[name]}")
        lines.append(f"one hop = {self.hop_ratio_to_peer:.1f} × peer = {self.hop_ratio_to_raw:.2f} of raw")
        memory = ", ".join(f"{name.replace('_', ' ')} {mib:g}" for name, mib in self.rss_mib.items())
        lines.append(f"resident memory, MiB: {memory}")
        big = self.catalogue
        lines.append(
            f"{big.variants:,} variants loaded in {big.seconds:.0f} s with {big.peak_mib:.0f} MiB at most; one line "
            f"matched in {big.sku_ms:.2f} ms by SKU, {big.title_ms:.2f} ms by title (medians)"
        )
        return "\n".join(lines)
