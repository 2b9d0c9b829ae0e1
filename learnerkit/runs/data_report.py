"""The report of a data set as files: data_report.json, data_report.txt, one page, and its pictures."""

from pathlib import Path

from learnerkit.core.errors import LearnerkitError, RecipeError
from learnerkit.core.files import atomic_write, made_folder, read_json
from learnerkit.core.levels import LEVELS, level_of, told_lines
from learnerkit.core.text import now
from learnerkit.pages.examined import Examined, report_text
from learnerkit.pages.figure import write_figures
from learnerkit.pages.page import Picture, embedded, render
from learnerkit.runs.doctor import Diagnosis

VERDICTS = {"ok": "clean", "warn": "warnings", "fault": "faults"}
NAME = "data_report"


def write_data_report(found: Diagnosis, folder: Path) -> list[Path]:
    """Write data_report.json, .txt and .html, and figures/*.png; returns these files. An earlier report's are replaced.

    found: what was examined, of a data set; folder: for the files, made where it is missing. RecipeError where that
    lies in the set, whose next report would find its own pictures there.
    """
    if found.path is None:
        raise RecipeError("--out: of which data? `learnerkit doctor DATA --out FOLDER`")
    _check_place(folder, found.path)
    made_folder(folder)
    _remove_pictures(folder)
    examined = Examined(found.said) if found.data is None else found.data
    drawn = _draw(examined, folder)
    found.pictures = [file.relative_to(folder).as_posix() for _, file in drawn]
    name, level, lines = found.path.resolve().name, level_of(found.said), told_lines(found.said)
    warnings = sum(line["level"] == LEVELS[None] for line in lines)
    page = render(
        f"{NAME}.html.j2",
        [Picture(title, embedded(file)) for title, file in drawn],
        name=name,
        about=f"{found.path} · {examined.facts.get('kind', 'no set that is known')} · {now()}",
        level=level,
        verdict=VERDICTS[level],
        headlines=[*examined.headlines, ("warnings", f"{warnings:,}")] if examined.headlines else [],
        told={kind: [line["text"] for line in lines if line["level"] == kind] for kind in VERDICTS},
        tables=examined.tables,
    )
    return [
        atomic_write(folder / f"{NAME}.json", found.json() + "\n"),
        atomic_write(folder / f"{NAME}.txt", report_text(f"{name}: {VERDICTS[level]}", examined)),
        atomic_write(folder / f"{NAME}.html", page),
        *(file for _, file in drawn),
    ]


def _check_place(folder: Path, data: Path) -> None:
    if data.is_dir() and folder.resolve().is_relative_to(data.resolve()):
        raise RecipeError(
            f"--out {folder}: lies in {data}, and its pictures would be taken for the set's; choose another"
        )


def _remove_pictures(folder: Path) -> None:
    """Remove the pictures that an earlier report in a folder has written, and nothing else that lies there."""
    file = folder / f"{NAME}.json"
    try:
        pictures = read_json(file)["pictures"] if file.exists() else []
    except (LearnerkitError, KeyError, TypeError):
        pictures = []  # of another program, or cut off
    for picture in pictures:
        if (place := folder / "figures" / Path(picture).name).suffix == ".png":
            place.unlink(missing_ok=True)
            place.with_suffix(".pdf").unlink(missing_ok=True)


def _draw(examined: Examined, folder: Path) -> list[tuple[str, Path]]:
    """Title and file of each picture; one that cannot be drawn is said among the lines, and the rest are."""
    drawn = []
    for name, (title, draw) in examined.figures.items():
        try:
            figure = draw()
        except (LearnerkitError, OSError, ValueError) as error:
            examined.lines.append((None, f"the picture {name} could not be drawn ({error})"))
            continue
        if figure is not None:
            drawn.append((title, write_figures(folder / "figures", {name: figure})[name]))
    return drawn
