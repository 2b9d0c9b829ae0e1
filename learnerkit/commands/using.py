"""The commands that use a finished run: `predict`, `export`."""

from pathlib import Path
from typing import Annotated

import typer

from learnerkit.commands.shared import UNTIL, AsJson, confidence, heavy, progress_aside, show


def predict(
    run: Annotated[Path, typer.Argument(help="a finished run's folder; its data are not needed")],
    files: Annotated[list[str], typer.Argument(help="folders or files: pictures, files of pairs, frames")],
    out: Annotated[Path | None, typer.Option("--out", "-o", help="a folder; predictions/NAME in the run")] = None,
    tta: Annotated[int, typer.Option(min=0, help="test-time views")] = 0,
    until: Annotated[str | None, typer.Option(help=UNTIL)] = None,
    coverage: Annotated[float | None, typer.Option(help="of the sets of classes; .9 where that was fitted")] = None,
    codes: Annotated[bool, typer.Option("--codes", help="class indices instead of names in submission.csv")] = False,
    weights: Annotated[str, typer.Option(help="best, those that the monitor chose, or final")] = "best",
    bad: Annotated[str, typer.Option(help="refuse lists bad files, skip predicts the others")] = "refuse",
    drawn: Annotated[int, typer.Option(min=0, help="frames that are drawn with their boxes at most")] = 50,
    as_json: AsJson = False,
) -> None:
    """Predict files without labels: predictions.csv, and submission.csv of classes, COCO and pictures of boxes."""
    predicting = heavy("runs.predict")
    options = {"tta": tta, "until": confidence(until), "coverage": coverage, "codes": codes}
    options |= {"weights": weights, "bad": bad, "drawn": drawn}
    with progress_aside(as_json):
        folder, facts = predicting.predict_run(run, files, out, **options)
    show("predict", as_json, {"folder": folder, "facts": facts}, predicting.told(facts), folder)


def export(
    run: Annotated[Path, typer.Argument(help="a finished run's folder, whose best weights are taken")],
    file: Annotated[Path, typer.Argument(help="model.onnx, or a folder for model.json beside safetensors")],
    weights: Annotated[str, typer.Option(help="best, those that the monitor chose, or final")] = "best",
    as_json: AsJson = False,
) -> None:
    """Export a run's model as ONNX, checked against the original, with what its use needs, or as safetensors."""
    exporting = heavy("runs.export")
    with progress_aside(as_json):
        written = exporting.export_model(run, file, weights=weights)
    facts = exporting.read_onnx(written) if written.is_file() else None
    content = {"run": run, "file": written, "onnx": facts}
    show("export", as_json, content, exporting.told(written), written)
