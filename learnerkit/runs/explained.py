"""What a run's page shows of its explanations, from the files that `explain_runs` has left."""

from pathlib import Path

from learnerkit.core.files import read_json
from learnerkit.core.run_folder import RunFolder
from learnerkit.core.stamp import is_of
from learnerkit.core.tensors import weights_file
from learnerkit.pages.page import Table

FOLDER, FILE = "explanations", "explanations.json"


def explained_of(run: RunFolder) -> tuple[list[tuple[str, Path]], list[Table]]:
    """Titles and files of the pictures, and the tables, of what was explained of a run.

    None before the first time, and none once the run has other weights than those that were explained.
    """
    file = run.file(FOLDER) / FILE
    said = read_json(file) if file.exists() else {}
    if not is_of(said.get("weights") or {}, weights_file(run.path)):
        return [], []
    pictures = [(str(title), file.parent / Path(name).name) for name, title in said.get("pictures", [])]
    tables = [
        Table(**{**table, "heads": tuple(table["heads"]), "rows": [tuple(row) for row in table["rows"]]})
        for table in said.get("tables", [])
    ]
    if said.get("notes"):
        tables.append(Table("Not explained", ("what", "why"), [tuple(note.split(": ", 1)) for note in said["notes"]]))
    return [(title, place) for title, place in pictures if place.exists()], tables
