"""Which variant is chosen: by valid, so that its figure on test is not flattered; ties are said as ties."""

from typing import Any

from learnerkit.core.finished import Comparison, first_known
from learnerkit.core.text import Form, both, formatted

TIES = (("valid_loss", "its lower loss there"), ("parameters", "its fewer parameters"))


def in_order(rows: list[dict[str, Any]], valid: str, figure: str, mode: str = "max") -> list[dict[str, Any]]:
    """Rows in the order of the choice, each with its 'place', which equal ones share; None for an unknown figure.

    They are chosen by valid, so that the figure on test stands beside and favours none. Equal ones follow each other by
    the lower loss on valid, then by fewer parameters, then by name.
    valid, figure: keys of the figure on valid, and on the part compared, which counts where no row has the first.
    mode: 'min' or 'max', which of it is better.
    """
    key = chosen_by(rows, valid, figure)
    values = [None if row.get(key) is None else round(-row[key] if mode == "max" else row[key], 9) for row in rows]
    known = [value for value in values if value is not None]
    for row, value in zip(rows, values, strict=True):
        row["place"] = None if value is None else 1 + sum(other < value for other in known)
    last = float("inf")
    return sorted(
        rows,
        key=lambda row: (
            first_known(row["place"], last),
            *(first_known(row.get(tie), last) for tie, _ in TIES),
            row["variant"],
        ),
    )


def chosen_by(rows: list[dict[str, Any]], valid: str, figure: str) -> str:
    """The key by which the rows are ordered: that on valid, unless no row has it."""
    return valid if any(row.get(valid) is not None for row in rows) else figure


def choice_text(comparison: Comparison, valid: str, figure: str, form: Form) -> str:
    """The best variant in words, or those that share its place; with the figures on valid and on the part compared.

    valid, figure: as in `in_order`; form: of both.
    """
    rows, part = comparison.rows, comparison.part
    best, *others = leaders(rows)
    names, on = both([row["variant"] for row in (best, *others)]), comparison.measured_on
    measured = both([formatted(row.get(figure), form) for row in (best, *others)])
    if part == "valid":
        where, figures = "valid", f"{measured} on {on}; there is no test part"
    elif chosen_by(rows, valid, figure) == valid:
        where, figures = "valid", f"valid {formatted(best[valid], form)}, {part} {measured} on {on}"
    else:
        where, figures = part, f"{part} {measured} on {on}; without a figure on valid the choice favours the best"
    if (comparison.runs[0].described.get("split") or {}).get("valid_is_test"):
        figures += "; valid and test are the same samples, which favours the best"
    if not others:
        return f"Best on {where}: {names} ({figures})"
    why = next((text for tie, text in TIES if best.get(tie) != others[0].get(tie)), "its name alone")
    return f"Tied on {where}: {names} ({figures}); {best['variant']} stands first for {why}"


def leaders(rows: list[dict[str, Any]]) -> list[dict[str, Any]]:
    """The rows that share the first place; the first row where no figure is known."""
    return [row for row in rows if row.get("place") == 1] or rows[:1]
