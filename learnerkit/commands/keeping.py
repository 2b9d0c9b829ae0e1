"""The commands that find and keep runs: `runs list`, `show`, `rename`, `clean`, `archive`."""

import sys
from pathlib import Path
from typing import Annotated

import typer

from learnerkit.commands.shared import AsJson, console, heavy, print_json
from learnerkit.core.disk import shown_bytes
from learnerkit.core.duration import seconds_of
from learnerkit.core.errors import RecipeError

runs_app = typer.Typer(no_args_is_help=True, help="Find and keep runs: list, show, rename, clean, archive.")
Root = Annotated[Path, typer.Argument(help="a folder of runs, however deep")]
Run = Annotated[Path, typer.Argument(help="a run's folder")]
Yes = Annotated[bool, typer.Option("--yes", "-y", help="do not ask")]


@runs_app.command("list")
def list_runs(
    root: Root = Path("runs"),
    sort: Annotated[str, typer.Option(help="a field, such as started or test_accuracy; -FIELD: greatest first")] = "",
    where: Annotated[
        list[str] | None, typer.Option(help="'FIELD OP VALUE' with = != < <= > >= ~ (contains); several: all of them")
    ] = None,
    columns: Annotated[str, typer.Option(help="fields, such as arch,lr,test_accuracy; what differs without it")] = "",
    as_json: AsJson = False,
) -> None:
    """List the runs below a folder: their state, figures and the settings in which they differ.

    A field is name, state, task, epochs, started, seconds, seed, best, bytes, any figure of results.json or any
    setting, by its key or the end of it where that is clear: train.lr, lr.
    """
    finding, listing = heavy("runs.index"), heavy("runs.listing")
    words = [sort.removeprefix("-"), *columns.split(","), *(one.strip() for one in where or [])]
    rows = finding.find_runs(root, sizes=as_json or any(word.startswith("bytes") for word in words))
    found = listing.listed(rows, where or [], sort, columns)
    if as_json:
        content = {"runs": [row.content() for row in found.rows], "of": found.of, "without": found.without}
        print_json("runs list", {"root": str(root), **content})
        return
    for line in listing.table_lines(found, console.width if console.is_terminal else None):
        typer.echo(line)


@runs_app.command()
def show(run: Run, as_json: AsJson = False) -> None:
    """Show one run: its state and how it goes on, figures, settings that differ from defaults, files, page."""
    shown = heavy("runs.shown_run")
    found = shown.shown_run(run)
    if as_json:
        print_json("runs show", found)
        return
    for line in shown.run_lines(found):
        typer.echo(line)


@runs_app.command()
def rename(
    run: Run, name: Annotated[str, typer.Argument(help="its new name, within its experiment")], as_json: AsJson = False
) -> None:
    """Rename a run within its experiment and draw its page anew. A trial of a sweep is refused."""
    done = heavy("runs.rename").rename_run(run, name, lambda path: heavy("runs.report").write_report(path))
    if as_json:
        print_json("runs rename", done.content())
        return
    console.print(f"  {done.before} is {done.after}")
    for page in done.stale:
        console.print(f"  {page} has its old name; the command that wrote it writes it anew")


@runs_app.command()
def clean(
    root: Root = Path("runs"),
    checkpoints: Annotated[
        bool, typer.Option("--checkpoints", help="of finished runs; weights stay, training further is over")
    ] = False,
    failed: Annotated[bool, typer.Option("--failed", help="whole runs that failed or never began")] = False,
    older_than: Annotated[str | None, typer.Option(help="only of runs untouched for so long, such as 30d")] = None,
    keep_best: Annotated[
        int, typer.Option(min=0, help="so many best runs of a task and figure keep their checkpoints")
    ] = 0,
    yes: Yes = False,
    dry_run: Annotated[bool, typer.Option("--dry-run", help="say what would go, and remove nothing")] = False,
    as_json: AsJson = False,
) -> None:
    """Free disk space: leftovers of killed writers and, by a flag, checkpoints of finished runs, failed runs.

    Says first what would go, then asks. Weights, results and pages of a finished run stay, and so does everything of a
    run that a process holds.
    """
    kinds = [kind for kind, wanted in (("checkpoints", checkpoints), ("failed", failed)) if wanted]
    if (older_than or keep_best) and not kinds:
        raise RecipeError("--older-than and --keep-best: of what? Add --checkpoints, --failed or both")
    if keep_best and not checkpoints:
        raise RecipeError("--keep-best: which runs keep their checkpoints; add --checkpoints")
    cleaning = heavy("runs.clean")
    plan = cleaning.plan_cleaning(root, kinds, _seconds("--older-than", older_than), keep_best)
    if not as_json:
        for line in _planned(plan, cleaning.KINDS):
            console.print(line)
    asked = bool(plan.items) and not dry_run
    gone = cleaning.free(plan) if asked and _agreed("remove these?", yes, as_json) else []
    if as_json:
        items, freed = [item.content() for item in plan.items], [str(item.path) for item in gone]
        facts = {"items": items, "bytes": plan.bytes_of(), "left": plan.left, "further": plan.further}
        print_json("runs clean", {"root": str(root), **facts, "removed": freed, "freed": _sum(gone)})
    elif asked:
        for line in plan.left:
            console.print(f"  left: {line}")
        console.print(f"  freed {shown_bytes(_sum(gone))}")


def _sum(items: list) -> int:
    return sum(item.bytes for item in items)


def _planned(plan, kinds: dict[str, str], most: int = 20) -> list[str]:  # noqa: ANN001
    """What a cleaning would free, by kind, in lines; most: that are named of a kind."""
    lines = []
    for kind, words in kinds.items():
        items = [item for item in plan.items if item.kind == kind]
        if items:
            lines.append(f"  {shown_bytes(plan.bytes_of(kind)):>9}  {words}")
            for item in items[:most]:
                lines.append(f"  {shown_bytes(item.bytes):>9}    {item.path}" + (f"  ({item.why})" if item.why else ""))
            lines += [f"{'':11}    and {len(items) - most:,} more"] if len(items) > most else []
    lines += [f"  left: {line}" for line in plan.left]
    lines += [f"  --{kind} would free {shown_bytes(count)} more" for kind, count in plan.further.items()]
    return lines or [f"  nothing to free below {plan.root}"]


@runs_app.command()
def archive(
    runs: Annotated[list[Path], typer.Argument(help="run folders")],
    out: Annotated[Path, typer.Option("--out", "-o", help="FILE.tar.gz for all, or a folder for one file a run")],
    remove: Annotated[bool, typer.Option("--remove", help="remove the runs once the archives are verified")] = False,
    yes: Yes = False,
    as_json: AsJson = False,
) -> None:
    """Pack runs into tar.gz, read it again and compare checksums; unpacked anywhere, they are runs again."""
    names = ", ".join(map(str, runs))
    if remove and not _agreed(f"remove {names} once packed and verified?", yes, as_json):
        return
    done = heavy("runs.archive").archive_runs(runs, out, remove)
    if as_json:
        print_json("runs archive", done.content())
        return
    for one in done.archives:
        console.print(f"  {one.file}  {shown_bytes(one.bytes)}, {one.files} files of {', '.join(one.runs)}, verified")
    for path in done.removed:
        console.print(f"  removed {path}")


def _agreed(question: str, yes: bool, as_json: bool) -> bool:
    """Whether the user says yes; RecipeError where nobody can be asked."""
    if yes:
        return True
    if as_json or not sys.stdin.isatty():
        why = "--json does not ask" if as_json else "there is no terminal to ask on"
        raise RecipeError(f"nothing was removed: {why}; say --yes")
    return typer.confirm(f"  {question}")


def _seconds(flag: str, text: str | None) -> float:
    try:
        return seconds_of(text) if text else 0
    except ValueError as error:
        raise RecipeError(f"{flag} {text}: {error}") from error
