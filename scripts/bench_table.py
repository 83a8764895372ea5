"""What the benchmark's samples mean: medians, spreads, and whether a goal was reached.

Strategy: bare and addon are measured in turn, so a pair of samples saw the same machine, and what counts is the median
over the pairs. Around it goes the interval that holds the true median 19 times out of 20, whatever the distribution.
A goal within the interval is neither reached nor missed: the machine was too noisy to tell.
"""

import math
import statistics
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import Any, NamedTuple

BARE, ADDON = "bare", "addon"
NOISY = 0.10  # spread of bare mitmdump's own samples from which on it is worth a warning


class Goal(NamedTuple):
    """A limit for the addon's figure compared with bare mitmdump's: by `÷`, by `−`, or `alone` without it."""

    limit: float
    by: str = "÷"
    at_least: bool = False

    def __str__(self) -> str:
        return f"{'≥' if self.at_least else '≤'} {self.limit:g}"


NO_GOAL = Goal(math.inf)


class Median(NamedTuple):
    """A median, and the interval around it."""

    value: float
    low: float
    high: float


@dataclass
class Result:
    """One row: samples by the name of what was measured, in the order in which they were taken.

    `cpu` are the seconds of processor time that all samples took the proxies, 0.0 if unknown.
    """

    key: str
    title: str
    unit: str
    goal: Goal = NO_GOAL
    samples: dict[str, list[float]] = field(default_factory=dict)
    cpu: dict[str, float] = field(default_factory=dict)

    def add(self, name: str, figure: float, cpu: float = 0.0) -> None:
        """One more sample, and the processor time that it took the proxy, if that is known."""
        self.samples.setdefault(name, []).append(figure)
        self.cpu[name] = self.cpu.get(name, 0.0) + cpu

    @property
    def compared(self) -> Median:
        """The addon's figure as the goal means it."""
        addon = self.samples[ADDON]
        pairs = zip(self.samples.get(BARE, addon), addon, strict=True)
        return median([_COMPARISONS[self.goal.by](*pair) for pair in pairs])

    @property
    def cpu_ratio(self) -> float | None:
        """The processor time of mitmdump with the addon by that of bare mitmdump."""
        return self.cpu[ADDON] / self.cpu[BARE] if self.cpu.get(BARE) else None

    @property
    def verdict(self) -> str:
        """In words."""
        value, low, high = self.compared
        if low < self.goal.limit < high:
            return "too noisy to tell"
        return "reached" if (value >= self.goal.limit if self.goal.at_least else value <= self.goal.limit) else "missed"

    @property
    def noise(self) -> float:
        """The spread of what the addon has no part in; of the addon's own samples, if that is all there is."""
        return spread(self.samples.get(BARE) or self.samples[ADDON])

    def measured(self) -> dict[str, Any]:
        """For JSON, without what compares two."""
        return {
            "row": self.key,
            "title": self.title,
            "unit": self.unit,
            "medians": {name: statistics.median(samples) for name, samples in self.samples.items()},
            "spreads": {name: spread(samples) for name, samples in self.samples.items()},
            "samples": self.samples,
        }

    def as_dict(self) -> dict[str, Any]:
        """For JSON."""
        return {
            **self.measured(),
            "by": self.goal.by,
            "compared": self.compared._asdict(),
            "cpu_ratio": self.cpu_ratio,
            "goal": str(self.goal),
            "verdict": self.verdict,
        }


_COMPARISONS: dict[str, Callable[[float, float], float]] = {
    "÷": lambda bare, addon: addon / bare,
    "−": lambda bare, addon: addon - bare,
    "alone": lambda _, addon: addon,
}

# Student's t for 95 %, by the number of samples.
_STUDENT = {2: 12.71, 3: 4.30, 4: 3.18, 5: 2.78}


def median(values: Sequence[float]) -> Median:
    """The median of two or more samples.

    Its interval comes from the binomial distribution of how many samples lie below it. Fewer than six say too little
    about that; theirs is Student's, as if they were distributed normally.
    """
    ordered = sorted(values)
    count, middle = len(ordered), statistics.median(ordered)
    if count in _STUDENT:
        half = _STUDENT[count] * statistics.stdev(ordered) / math.sqrt(count)
        return Median(middle, middle - half, middle + half)
    below = max(math.floor((count - 1.96 * math.sqrt(count)) / 2), 0)
    return Median(middle, ordered[below], ordered[-1 - below])


def spread(values: Sequence[float]) -> float:
    """Half the distance between the quartiles, as a share of the median."""
    if len(values) < 2:
        return 0.0
    low, middle, high = statistics.quantiles(values, n=4, method="inclusive")
    return (high - low) / 2 / middle if middle else 0.0


def render(results: Sequence[Result]) -> str:
    """The table, and what is to be said about it."""
    lines = [("", "bare", "addon", "addon : bare", "cpu", "goal", "")]
    for result in results:
        value, low, high = result.compared
        digits = ".3f" if result.goal.by != "−" else ".2f"
        by = "" if result.goal.by == "alone" else result.goal.by
        lines.append(
            (
                f"{result.title}, {result.unit}",
                _figure(result.samples.get(BARE)),
                _figure(result.samples[ADDON]),
                f"{by} {value:{digits}} ({low:{digits}} … {high:{digits}})",
                f"÷ {result.cpu_ratio:.2f}" if result.cpu_ratio else "",
                str(result.goal),
                result.verdict,
            )
        )
    table = _aligned(lines)
    noisy = [result.title for result in results if result.noise > NOISY]
    if noisy:
        table += ["", f"The machine was busy: without the addon's doing, figures spread by more than {NOISY:.0%} in"]
        table += [f"  {title}" for title in noisy]
    return "\n".join(table)


def side_by_side(results: Sequence[Result]) -> str:
    """The table of results without goals: a column for each name that has samples."""
    names = list(dict.fromkeys(name for result in results for name in result.samples))
    lines = [["", *names]]
    lines += [
        [f"{result.title}, {result.unit}", *(_figure(result.samples.get(name)) for name in names)] for result in results
    ]
    return "\n".join(_aligned(lines))


def _aligned(lines: Sequence[Sequence[str]]) -> list[str]:
    widths = [max(map(len, column)) for column in zip(*lines, strict=True)]
    return ["  ".join(cell.ljust(width) for cell, width in zip(line, widths, strict=True)).rstrip() for line in lines]


def _figure(samples: list[float] | None) -> str:
    if not samples:
        return ""
    middle = statistics.median(samples)
    digits = 0 if middle >= 1000 or not middle else max(2 - math.floor(math.log10(middle)), 0)
    return f"{middle:,.{digits}f} ±{spread(samples):.0%}"
