"""What was measured as Markdown: tables, targets, and the surroundings, from the JSON files alone."""

import statistics
from typing import Any


def number(value: Any) -> str:
    """A figure with three digits that count; text as it is."""
    if not isinstance(value, (int, float)) or isinstance(value, bool):
        return "" if value is None else str(value)
    if isinstance(value, int):
        return f"{value:,}"
    if 0 < abs(value) < 0.01:
        return f"{value:.2g}"
    digits = 0 if abs(value) >= 100 else 1 if abs(value) >= 10 else 2 if abs(value) >= 1 else 3
    text = f"{value:,.{digits}f}"
    return text[1:] if text.startswith("0.") else text.replace("-0.", "-.") if text.startswith("-0.") else text


def spread(values: list[float]) -> str:
    """Median, with least and greatest where there are several."""
    middle = number(statistics.median(values))
    return f"{middle} ({number(min(values))}-{number(max(values))})" if len(values) > 1 else middle


def table_lines(table: dict[str, Any]) -> list[str]:
    """One table of a question."""
    base = next((row for row in table["rows"] if row["name"] == table["base"] and row["values"]), None)
    columns = list(table["columns"])
    heads = ["contender", table["unit"], "ratio", *columns, "peak MB"]
    lines = [f"| {' | '.join(heads)} |", f"|---|{'---:|' * (len(heads) - 1)}"]
    for row in table["rows"]:
        name = row["name"] + (f" ({row['note']})" if row["note"] else "")
        if not row["values"]:
            lines.append(f"| {name} | {row['error']} |{' |' * (len(heads) - 2)}")
            continue
        pairs = zip(row["values"], base["values"], strict=False) if base else []
        ratios = [a / b for a, b in pairs if b]
        cells = [name, spread(row["values"]), number(float(statistics.median(ratios))) if ratios else ""]
        cells += [number(row["facts"].get(table["columns"][column])) for column in columns]
        lines.append(f"| {' | '.join([*cells, number(float(row['peak_mb'])) if row['peak_mb'] else ''])} |")
        if row["error"]:
            lines[-1] = lines[-1].replace(f"| {name} |", f"| {name}; then {row['error']} |", 1)
    return lines


def verdict(target: dict[str, Any]) -> str:
    """Whether a target is met, in one word or two."""
    return {True: "met", False: "missed", None: "not measured"}[target["met"]]


def target_line(target: dict[str, Any]) -> str:
    """A target with what was found."""
    found = "" if target["found"] is None else f": {number(float(target['found']))}"
    return f"- {target['text']}, at {target['at']} {number(float(target['limit']))}{found}, {verdict(target)}"


def targets_table(questions: list[dict[str, Any]]) -> list[str]:
    """All targets of all questions in one table."""
    lines = ["| question | target | bound | found | |", "|---|---|---:|---:|---|"]
    for question in questions:
        for table in question["tables"]:
            for target in table["targets"]:
                bound = f"at {target['at']} {number(float(target['limit']))}"
                found = "" if target["found"] is None else number(float(target["found"]))
                link = f"[{table['title']}](#{anchor(table['title'])})"
                lines.append(f"| {link} | {target['text']} | {bound} | {found} | {verdict(target)} |")
    return lines


def anchor(title: str) -> str:
    """The link to a heading, as GitHub and mkdocs make it."""
    kept = "".join(letter for letter in title.lower() if letter.isalnum() or letter in " -_")
    return "-".join(kept.split())


def surroundings(question: dict[str, Any]) -> str:
    """When, where and beside what a question was measured, in one line."""
    about, found = question["machine"], question["versions"]
    others = question["others_cores"]
    busy = f"others kept {number(float(others))} of {about['cores']} cores busy"
    threads = sorted({table["threads"] for table in question["tables"]})
    versions = ", ".join(f"{name} {value}" for name, value in found.items() if value)
    return (
        f"{question['taken']}, {about['cores']} cores ({about['cpu']}), {about['memory_gib']} GiB, "
        f"{' and '.join(map(str, threads))} thread(s), {question['rounds']} round(s), {question['seconds']} s; "
        f"load {number(float(question['load_before']))} before it, {busy}. {versions}."
    )


def section(question: dict[str, Any], further: str = "") -> list[str]:
    """The part of the page that is one question's. further: what was found out about it, by hand."""
    lines = []
    for table in question["tables"]:
        lines += [f"### {table['title']}", "", table["asks"], "", *table_lines(table), ""]
        lines += [*map(target_line, table["targets"]), ""] if table["targets"] else []
    lines += [further.strip(), ""] if further.strip() else []
    return [*lines, f"`python benchmarks/{question['question']}.py`: {surroundings(question)}", ""]


def gpu_section(found: dict[str, Any]) -> list[str]:
    """The rows of `gpu.sh`; those that are not measured say why."""
    lines = ["### On a GPU, by one script", "", "`sh benchmarks/gpu.sh CIFAR10 CIFAR100`: "]
    taken = (
        f"{found['taken']} on {found['device']}." if found["device"] else "no GPU was there yet, so the rows are empty."
    )
    lines = [*lines[:-1], lines[-1] + taken, "", "| what | found | s |", "|---|---|---:|"]
    for row in found["rows"]:
        told = "; ".join(filter(None, (row["figure"], row["why"] and f"not measured: {row['why']}")))
        lines.append(f"| {row['asks']} | {told} | {number(row.get('seconds'))} |")
    return [*lines, ""]
