"""What a run's page shows of its explanations, from the files that `explain_runs` has left."""

from pathlib import Path

from learnerkit.core.files import read_json
from learnerkit.core.run_folder import RunFolder
from learnerkit.pages.page import Table

FOLDER, FILE = "explanations", "explanations.json"


def explained_of(run: RunFolder) -> tuple[list[tuple[str, Path]], list[Table]]:
    """Titles and files of the pictures, and the tables, of what was explained of a run; none before the first time."""
    file = run.file(FOLDER) / FILE
    if not file.exists():
        return [], []
    said = read_json(file)
    pictures = [(str(title), file.parent / Path(name).name) for name, title in said.get("pictures", [])]
    tables = [
        Table(**{**table, "heads": tuple(table["heads"]), "rows": [tuple(row) for row in table["rows"]]})
        for table in said.get("tables", [])
    ]
    if said.get("notes"):
        tables.append(Table("Not explained", ("what", "why"), [tuple(note.split(": ", 1)) for note in said["notes"]]))
    return [(title, place) for title, place in pictures if place.exists()], tables
