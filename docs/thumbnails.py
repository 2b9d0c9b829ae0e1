"""Makes the gallery's picture of each example anew: runs the script in a folder of its own and takes what it drew.

python docs/thumbnails.py [NAME...]
"""

import subprocess
import sys
import tempfile
from pathlib import Path

from PIL import Image

ROOT = Path(__file__).parents[1]
WIDTH = 900  # pixels at most
# what of an example's files is shown, below runs/NAME
SHOWN = {
    "cifar100_analysis": "*/mistakes.png",
    "compare_fusions": "runs/fusion_comparison.png",
    "evaluate_tta": "*/figures/predictions.png",
    "explain": "*/overlays.png",
    "export_onnx": "*/figures/class_accuracy.png",
    "fuse_saliency": "**/figures/predictions.png",
    "own_task": "*/figures/angles.png",
    "resolution_sweep": "results.png",
    "resume": "*/figures/loss.png",
    "train_cifar": "*/figures/confusion_matrix.png",
    "train_detector": "**/figures/predictions.png",
}


def picture_of(name: str) -> Image.Image:
    """The picture that an example leaves."""
    pattern = SHOWN[name]
    with tempfile.TemporaryDirectory() as place:
        subprocess.run([sys.executable, ROOT / "examples" / f"{name}.py"], cwd=place, check=True)
        found = sorted((Path(place) / "runs" / name).glob(pattern))
        if not found:
            raise SystemExit(f"examples/{name}.py left no {pattern} below runs/{name}")
        picture = Image.open(found[-1]).convert("RGB")
    if picture.width < WIDTH // 4:  # pixels of small images, each to be seen
        picture = picture.resize([4 * side for side in picture.size], Image.Resampling.NEAREST)
    picture.thumbnail((WIDTH, 2 * WIDTH))
    return picture


if __name__ == "__main__":
    folder = ROOT / "nbs" / "images" / "examples"
    folder.mkdir(exist_ok=True)
    for name in sys.argv[1:] or SHOWN:
        picture_of(name).save(folder / f"{name}.png", optimize=True)
        print(f"{name}.png")
