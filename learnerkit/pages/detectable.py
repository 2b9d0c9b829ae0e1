"""What difference between the first two variants a comparison can show, with these samples and these seeds."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from learnerkit.core.finished import Comparison
from learnerkit.core.power import ALPHA, MOST_SEEDS, POWER, pooled_std, seeds_needed, shown_by_samples, shown_by_seeds
from learnerkit.core.text import some

FEWEST_SEEDS = 3  # runs of a variant from which their spread says something
MOST_SAMPLES = 1_000_000


@dataclass(frozen=True)
class Measure:
    """The figure by which variants are compared.

    figure, spread: keys of the rows, its mean and its standard deviation over seeds.
    apart: the first row and another to 1 where the first is better beyond luck on the samples, -1 where the other is, 0
        where nothing tells; corrected for the number of variants. None where no test is made.
    """

    figure: str
    spread: str
    apart: Callable[[dict[str, Any], dict[str, Any]], int] | None = None


def detectable(rows: list[dict[str, Any]], measure: Measure, samples: int) -> dict[str, Any]:
    """What the first two of some rows could show; {} where there are no two, or no figures of them.

    samples: of the part compared, or groups of them.
    'difference' is the one found, 'told' whether a test tells it from luck; 'by_samples' and 'by_seeds' the least that
    would be found eight times of ten, None where that is not known; 'samples_needed' and 'seeds_needed' what would be
    needed, None where there are enough, infinite where it is more than a million samples or a thousand seeds. 'std' is
    pooled over all variants of several runs.
    """
    if len(rows) < 2 or None in (rows[0].get(measure.figure), rows[1].get(measure.figure)):
        return {}
    first, second = rows[:2]
    compared = len(rows) - 1 if measure.apart else 1
    alpha = ALPHA / compared
    found: dict[str, Any] = {"first": first["variant"], "next": second["variant"], "alpha": ALPHA, "power": POWER}
    apart = round(abs(first[measure.figure] - second[measure.figure]), 9)
    found |= {"compared": compared, "difference": apart, "told": False, "seeds": (first["n"], second["n"])}
    found |= dict.fromkeys(("by_samples", "samples_needed", "by_seeds", "seeds_needed"))
    if (error := second.get("difference_se")) is not None:
        found["by_samples"] = least = shown_by_samples(error, alpha)
        found["told"] = measure.apart is not None and measure.apart(first, second) != 0
        if not found["told"] and apart < least:
            needed = samples * (least / apart) ** 2 if apart else float("inf")
            found["samples_needed"] = rough(needed) if needed <= MOST_SAMPLES else float("inf")
    found["std"] = std = pooled_std([row.get(measure.spread) or 0 for row in rows], [row["n"] for row in rows])
    if std is not None and sum(found["seeds"]) >= FEWEST_SEEDS:
        found["by_seeds"] = least = shown_by_seeds(std, *found["seeds"], alpha)
        if apart < least:
            found["seeds_needed"] = (seeds_needed(apart / std, alpha) if apart else None) or float("inf")
    return found


def rough(number: float) -> int:
    """A whole number that is not less, of two digits and zeros, as an estimate deserves."""
    step = 10 ** max(0, len(str(int(number))) - 2)
    return int(-(-number // step) * step)


def detectable_text(facts: dict[str, Any], comparison: Comparison, form: Callable[[float], str]) -> list[str]:
    """`detectable` in words, a line of the samples and one of the seeds; form: of the figure."""
    if not facts:
        return []
    pair, found = f"{facts['first']} against {facts['next']}", f"found {form(facts['difference'])}"
    many = f", corrected for {facts['compared']} comparisons" if facts["compared"] > 1 else ""
    how = f"{POWER:.0%} power, two-sided at {ALPHA:.0%}{many}".replace("%", " %")
    lines = []
    if facts["difference"] == 0:
        lines.append(f"{pair}: their figures are equal, there is no difference to show")
    elif facts["by_samples"] == 0:
        lines.append(f"{pair}: every sample says the same of both")
    elif facts["by_samples"] is not None:
        needs = ", told apart" if facts["told"] else _needs(facts["samples_needed"], MOST_SAMPLES, "samples")
        least = f"{comparison.measured_on} can show a difference of {form(facts['by_samples'])}"
        lines.append(f"{pair}, on other samples: {least} ({how}); {found}{needs}")
    return lines + _seed_lines(facts, pair, found, form, how)


def _seed_lines(facts: dict[str, Any], pair: str, found: str, form: Callable[[float], str], how: str) -> list[str]:
    first, second = facts["seeds"]
    if facts["by_seeds"] is None:
        return [
            f"{pair}, with other seeds: the spread over seeds is unknown with {first} and {second} "
            f"{'run' if first == second == 1 else 'runs'}; at least {FEWEST_SEEDS} seeds of each are needed"
        ]
    if facts["std"] == 0:
        return [f"{pair}, with other seeds: the runs of each variant have equal figures, their seeds change nothing"]
    if facts["difference"] == 0:
        return []
    needs = _needs(facts["seeds_needed"], MOST_SEEDS, "seeds of each")
    spread = f"{first} and {second} seeds that spread by {form(facts['std'])}"
    return [
        f"{pair}, with other seeds: {spread} can show a difference of {form(facts['by_seeds'])} ({how}); {found}{needs}"
    ]


def _needs(number: float | None, most: int, what: str) -> str:
    if number is None:
        return ""
    return f", cannot tell: needs {f'more than {most:,}' if number > most else f'about {number:,}'} {what}"


def limited_text(comparison: Comparison) -> list[str]:
    """A line where some runs are quick trials, which trained and were measured on a few batches alone."""
    limited = [run for run in comparison.runs if run.results.get("limited_to")]
    if not limited:
        return []
    most = max(run.results["limited_to"] for run in limited)
    which = "all runs are" if len(limited) == len(comparison.runs) else f"{some([run.name for run in limited])}:"
    return [f"{which} quick trials, of a few batches, measured on at most {most:,} samples of a part: no result"]
