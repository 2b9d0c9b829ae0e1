"""The table of a comparison for a paper: booktabs, and bold only where the first is better beyond luck."""

import re
from typing import Any

from learnerkit.core.finished import Comparison
from learnerkit.core.text import one_line
from learnerkit.pages.ranking import Column, Ranking

ESCAPED = {
    "\\": r"\textbackslash{}",
    "~": r"\textasciitilde{}",
    "^": r"\textasciicircum{}",
    "<": r"\textless{}",
    ">": r"\textgreater{}",
    "|": r"\textbar{}",
    '"': r"\textquotedbl{}",
    "[": "{[}",
    "]": "{]}",
    **{letter: f"\\{letter}" for letter in "&%$#_{}"},
}
ABOUT = """% Needs \\usepackage{booktabs} and \\usepackage[T1]{fontenc}; other letters lualatex and a font with them.
% Mean and standard deviation over the runs of a variant (their number). The first is chosen on valid.
"""
BOLD = """% Bold: the first is better than every other variant on test, by interval and p, corrected for their number.
% Where that is not so nothing is bold, whatever is largest.
"""
PLAIN = "% Nothing is bold: this comparison makes no test.\n"


def escaped(text: str) -> str:
    """Any text as LaTeX shows it, on one line; letters beyond ASCII stay. Dashes do not grow together."""
    written = "".join(ESCAPED.get(letter, letter) for letter in one_line(text))
    return re.sub("-(?=-)", "-{}", written)


def latex_table(comparison: Comparison, ranking: Ranking) -> str:
    """comparison_table.tex: a row a variant with mean, spread and number of runs, difference with interval, and p.

    ranking: of the comparison's task; columns that no row has a value in are left out.
    """
    measure, rows = ranking.measure, comparison.rows
    columns = {column.key: column for column in ranking.columns}
    shown = {"difference": "difference", ("ci_low", "ci_high"): r"95\,\% interval", "holm_p": "$p$ (Holm)"}
    shown = {key: head for key, head in shown.items() if key in columns and any(columns[key].text(row) for row in rows)}
    heads = ["variant", f"{escaped(columns[measure.figure].head)} ({escaped(comparison.part)})", *shown.values()]
    lines = [" & ".join(heads)]
    bold = leads(comparison, ranking)
    for number, row in enumerate(rows):
        figure = _figure(row, columns[measure.figure], columns[measure.spread])
        name = escaped(row["variant"])
        if bold and number == 0:
            name, figure = rf"\textbf{{{name}}}", rf"\textbf{{{figure}}}"
        cells = [_signed(escaped(columns[key].text(row))) or "--" for key in shown]
        lines.append(" & ".join([f"{{{name}}}", figure, *cells]))
    head, *body = [rf"{line} \\" for line in lines]
    about = ABOUT + (BOLD if measure.apart else PLAIN)
    frame = [rf"\begin{{tabular}}{{l{'r' * (len(heads) - 1)}}}", r"\toprule", head, r"\midrule", *body]
    return about + "\n".join([*frame, r"\bottomrule", r"\end{tabular}"]) + "\n"


def leads(comparison: Comparison, ranking: Ranking) -> bool:
    """Whether the first variant is better than every other beyond luck, corrected for their number."""
    first, *others = comparison.rows
    apart = ranking.measure.apart
    return apart is not None and bool(others) and all(apart(first, row) == 1 for row in others)


def _figure(row: dict[str, Any], figure: Column, spread: Column) -> str:
    text = _signed(escaped(figure.text(row)))
    if row.get(spread.key) is not None:
        text += rf" $\pm$ {escaped(spread.text(row))}"
    return f"{text} ({row['n']})"


def _signed(text: str) -> str:
    """A figure, or two, with the minus of a formula."""
    return re.sub(r"(?<![\w.])-(?=[\d.])", "$-$", text)
