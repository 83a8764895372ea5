"""The evaluation of the benchmark's samples: medians, spreads, and whether a goal was reached.

Strategy: bare mitmdump and the addon are measured alternately, so that both samples of a pair were taken under the same
conditions. They are compared by the median over the pairs, with a 95 % confidence interval that assumes no
distribution. If the goal lies within the interval, it is neither reached nor missed: the figures are too noisy to tell.
"""

import math
import statistics
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import Any, NamedTuple

BARE, ADDON = "bare", "addon"
NOISE_LIMIT = 0.10  # the spread of a row's samples that causes a warning


class Goal(NamedTuple):
    """A limit for the addon's figure: for its ratio to bare mitmdump's (`÷`), for the difference (`−`), or `alone`."""

    limit: float
    by: str = "÷"
    at_least: bool = False

    def __str__(self) -> str:
        return f"{'≥' if self.at_least else '≤'} {self.limit:g}"


NO_GOAL = Goal(math.inf)


class Median(NamedTuple):
    """A median with its confidence interval."""

    value: float
    low: float
    high: float


@dataclass
class Result:
    """A row of the table: samples by the name of what was measured, in the order in which they were taken.

    `key` is the row's name on the command line. `cpu` has the processor time that all samples took, in seconds; 0.0 if
    that is unknown.
    """

    key: str
    title: str
    unit: str
    goal: Goal = NO_GOAL
    samples: dict[str, list[float]] = field(default_factory=dict)
    cpu: dict[str, float] = field(default_factory=dict)

    def add(self, name: str, figure: float, cpu: float = 0.0) -> None:
        """Add a sample, and the processor time in seconds that it took."""
        self.samples.setdefault(name, []).append(figure)
        self.cpu[name] = self.cpu.get(name, 0.0) + cpu

    @property
    def comparison(self) -> Median:
        """What the goal limits: the addon's figure, compared with bare mitmdump's or alone."""
        addon = self.samples[ADDON]
        pairs = zip(self.samples.get(BARE, addon), addon, strict=True)
        return median([_COMPARISONS[self.goal.by](*pair) for pair in pairs])

    @property
    def cpu_ratio(self) -> float | None:
        """The processor time of mitmdump with the addon, divided by bare mitmdump's; None if it is unknown."""
        return self.cpu[ADDON] / self.cpu[BARE] if self.cpu.get(BARE) else None

    @property
    def verdict(self) -> str:
        """Whether the goal is reached, in words."""
        value, low, high = self.comparison
        if low < self.goal.limit < high:
            return "too noisy to tell"
        return "reached" if (value >= self.goal.limit if self.goal.at_least else value <= self.goal.limit) else "missed"

    @property
    def noise(self) -> float:
        """The spread of bare mitmdump's samples, on which the addon has no influence; else of the addon's own."""
        return spread(self.samples.get(BARE) or self.samples[ADDON])

    def as_dict(self) -> dict[str, Any]:
        """Return the samples and their medians and spreads, for JSON."""
        return {
            "row": self.key,
            "title": self.title,
            "unit": self.unit,
            "medians": {name: statistics.median(samples) for name, samples in self.samples.items()},
            "spreads": {name: spread(samples) for name, samples in self.samples.items()},
            "samples": self.samples,
        }

    def as_comparison_dict(self) -> dict[str, Any]:
        """Return what `as_dict` does and the comparison of the addon with bare mitmdump, for JSON."""
        return {
            **self.as_dict(),
            "by": self.goal.by,
            "compared": self.comparison._asdict(),
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
_STUDENT_T = {2: 12.71, 3: 4.30, 4: 3.18, 5: 2.78}


def median(values: Sequence[float]) -> Median:
    """Return the median of at least two samples with its 95 % confidence interval.

    The interval comes from the binomial distribution of how many samples are below the median. For fewer than six
    samples that says too little, so theirs is Student's, which assumes a normal distribution.
    """
    ordered = sorted(values)
    count, middle = len(ordered), statistics.median(ordered)
    if count in _STUDENT_T:
        half = _STUDENT_T[count] * statistics.stdev(ordered) / math.sqrt(count)
        return Median(middle, middle - half, middle + half)
    below = max(math.floor((count - 1.96 * math.sqrt(count)) / 2), 0)
    return Median(middle, ordered[below], ordered[-1 - below])


def spread(values: Sequence[float]) -> float:
    """Return half the interquartile range, as a fraction of the median."""
    if len(values) < 2:
        return 0.0
    low, middle, high = statistics.quantiles(values, n=4, method="inclusive")
    return (high - low) / 2 / middle if middle else 0.0


def render(results: Sequence[Result]) -> str:
    """Return the table of the comparisons, with a warning about rows that are too noisy."""
    lines = [("", "bare", "addon", "addon : bare", "cpu", "goal", "")]
    for result in results:
        value, low, high = result.comparison
        precision = ".3f" if result.goal.by != "−" else ".2f"
        operator = "" if result.goal.by == "alone" else result.goal.by
        lines.append(
            (
                f"{result.title}, {result.unit}",
                _figure(result.samples.get(BARE)),
                _figure(result.samples[ADDON]),
                f"{operator} {value:{precision}} ({low:{precision}} … {high:{precision}})",
                f"÷ {result.cpu_ratio:.2f}" if result.cpu_ratio else "",
                str(result.goal),
                result.verdict,
            )
        )
    table = _align(lines)
    noisy = [result.title for result in results if result.noise > NOISE_LIMIT]
    if noisy:
        table += [
            "",
            f"The machine was busy: these rows are unreliable, as figures vary by more than {NOISE_LIMIT:.0%}:",
        ]
        table += [f"  {title}" for title in noisy]
    return "\n".join(table)


def side_by_side(results: Sequence[Result]) -> str:
    """Return the table of results without goals, with a column for each name that has samples."""
    names = list(dict.fromkeys(name for result in results for name in result.samples))
    lines = [["", *names]]
    lines += [
        [f"{result.title}, {result.unit}", *(_figure(result.samples.get(name)) for name in names)] for result in results
    ]
    return "\n".join(_align(lines))


def _align(lines: Sequence[Sequence[str]]) -> list[str]:
    widths = [max(map(len, column)) for column in zip(*lines, strict=True)]
    return ["  ".join(cell.ljust(width) for cell, width in zip(line, widths, strict=True)).rstrip() for line in lines]


def _figure(samples: list[float] | None) -> str:
    """Return the median and the spread as text, or "" without samples."""
    if not samples:
        return ""
    middle = statistics.median(samples)
    digits = 0 if middle >= 1000 or not middle else max(2 - math.floor(math.log10(middle)), 0)
    return f"{middle:,.{digits}f} ±{spread(samples):.0%}"
