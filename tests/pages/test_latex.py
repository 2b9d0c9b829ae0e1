"""The table for a paper: what is escaped, how it is built, and when anything is bold."""

import pytest

from learnerkit.classify.compare import RANKING as ACCURACY
from learnerkit.core.finished import Comparison, Finished
from learnerkit.detect.compare import RANKING as PRECISION
from learnerkit.pages.latex import escaped, latex_table
from learnerkit.pages.ranking import BY_MONITOR

SPECIAL = {
    "a & b": r"a \& b",
    "50%": r"50\%",
    "lr_max": r"lr\_max",
    "#1": r"\#1",
    "{x}": r"\{x\}",
    "~": r"\textasciitilde{}",
    "x^2": r"x\textasciicircum{}2",
    r"a\\b": r"a\textbackslash{}\textbackslash{}b",
    "$5": r"\$5",
    "a<b>|": r"a\textless{}b\textgreater{}\textbar{}",
    "[a]=1": "{[}a{]}=1",
    "größe 中文": "größe 中文",
    "a--b---c": "a-{}-b-{}-{}-c",
    "two\nlines": r"two\textbackslash{}nlines",
}


@pytest.mark.parametrize("text", SPECIAL)
def test_letters_that_mean_something_to_latex(text):
    assert escaped(text) == SPECIAL[text]


def row(name, accuracy, n=3, std=0.005, **others):
    known = {"variant": name, "n": n, "test_accuracy": accuracy, "test_std": std, "ensemble_accuracy": accuracy}
    return {**known, **dict.fromkeys(("difference", "ci_low", "ci_high", "holm_p")), **others}


def table(*rows, ranking=ACCURACY):
    described = {"split": {}, "monitor": "valid_loss", "mode": "min"}
    return latex_table(
        Comparison(None, "x", [Finished(None, described, {}, [], "test", 200, "s")], [], list(rows)), ranking
    )


FIRST = row("a_1", 0.9)
BEHIND = row("b & c", 0.8, difference=0.1, ci_low=0.05, ci_high=0.15, holm_p=0.00001)
ALIKE = row("[d]", 0.89, n=1, std=None, difference=-0.01, ci_low=-0.02, ci_high=0.04, holm_p=0.8)


def test_the_table_by_hand():
    lines = table(FIRST, BEHIND, ALIKE).splitlines()
    about = [line for line in lines if line.startswith("%")]
    assert all(word in " ".join(about) for word in ("booktabs", "fontenc", "Bold: ", "standard deviation"))
    assert lines[len(about) :] == [
        r"\begin{tabular}{lrrrr}",
        r"\toprule",
        r"variant & test accuracy (test) & difference & 95\,\% interval & $p$ (Holm) \\",
        r"\midrule",
        r"{a\_1} & 90.00\% $\pm$ 0.50\% (3) & -- & -- & -- \\",
        r"{b \& c} & 80.00\% $\pm$ 0.50\% (3) & 10.00\% & 5.00\% to 15.00\% & \textless{} .0001 \\",
        r"{{[}d{]}} & 89.00\% (1) & $-$1.00\% & $-$2.00\% to 4.00\% & 0.8000 \\",
        r"\bottomrule",
        r"\end{tabular}",
    ]


def test_bold_is_what_is_better_than_every_other_and_never_what_is_largest():
    bold = r"{\textbf{a\_1}} & \textbf{90.00\% $\pm$ 0.50\% (3)}"
    assert bold in table(FIRST, BEHIND) and "textbf" not in table(FIRST, BEHIND, ALIKE)
    for change in ({"holm_p": 0.051}, {"ci_low": -0.001}):  # the test and the interval have to say so
        assert "textbf" not in table(FIRST, {**BEHIND, **change})
    ahead = {**BEHIND, "test_accuracy": 0.95, "ensemble_accuracy": 0.95, "difference": -0.05, "ci_high": -0.01}
    assert "textbf" not in table(FIRST, ahead)  # the other is better, and valid chose this
    assert "textbf" not in table(FIRST) and "difference" not in table(FIRST)


def test_a_detector_is_bold_where_interval_and_corrected_p_say_so():
    first = {"variant": "a", "n": 1, "mAP": 0.5, "mAP_std": None}
    other = {"variant": "b", "n": 1, "mAP": 0.4, "mAP_std": None}
    other |= {"difference": 0.1, "ci_low": 0.02, "ci_high": 0.2, "holm_p": 0.04}
    said = table(first, other, ranking=PRECISION)
    assert r"{\textbf{a}} & \textbf{0.5000 (1)} & -- & -- & -- \\" in said
    assert "textbf" not in table(first, {**other, "holm_p": 0.06}, ranking=PRECISION)
    assert "textbf" not in table(first, {**other, "ci_low": None, "ci_high": None, "holm_p": None}, ranking=PRECISION)


def test_without_a_test_nothing_is_bold():
    rows = [{"variant": "a", "n": 1, "figure": 3.0, "std": None}, {"variant": "b", "n": 1, "figure": None, "std": None}]
    rows[1]["difference"] = None
    said = table(*rows, ranking=BY_MONITOR)
    assert "% Nothing is bold" in said and "textbf" not in said and r"{b} & n/a (1) \\" in said
