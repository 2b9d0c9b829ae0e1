"""Does a step come again, and does a whole run? Counted over steps and runs of all three tasks.

    python benchmarks/studies/again.py [--tiny]

A run of each task is trained by its command. Random steps of it are replayed: counted are those whose loss is the
recorded one to 1e-6. Then its page alone, beside the data, is given to `learnerkit reproduce` in processes of their
own: counted are those that say `identical`. At last a pixel, a version, the seed and the number of threads are changed:
counted are those that are named as the likely cause. Exits with 1 where not all are.
"""

import argparse
import gzip
import json
import os
import re
import shutil
import subprocess
import sys
import tempfile
from pathlib import Path

import numpy as np
import torch

from learnerkit.all import LearnerkitError, make_digit_scenes
from learnerkit.core.record import ELEMENT
from learnerkit.fuse.relations import RELATIONS
from learnerkit.runs.replay import replay_step

SETTINGS = {
    "digits": "--arch tiny_cnn --dropout null --cutmix .5 --stochastic-depth null",
    "saliency-wrn": "--arch wrn_10_1 --bs 8 --tta 0",
    "digit-scenes": "--arch timm:test_resnet --bs 4 --size 64 --box-batch-size-per-image 16",
}


def make_data(task, folder, n):
    """The data of a task's recipe, None for the digits, which are embedded."""
    if task == "digits":
        return None
    if task == "digit-scenes":
        return make_digit_scenes(folder, {"train": n, "val": 4, "test": 4})
    generator = torch.Generator().manual_seed(0)
    for code in range(4):
        (folder / RELATIONS[code]).mkdir(parents=True)
        for number in range(n // 2):
            saliency, attention = torch.rand(2, 3, 32, 32, generator=generator)
            saliency[:, 4 * code : 4 * code + 4] += 1
            content = {"saliency_maps": saliency, "cross_attention_maps": attention}
            content |= {"class_id": code, "class_name": RELATIONS[code], "timestep": number}
            torch.save(content, folder / RELATIONS[code] / f"{number:04d}.pt")
    return folder


def command(*words):
    """Run learnerkit in a process of its own; its exit code and its document, {} where there is none."""
    done = subprocess.run(
        [sys.executable, "-m", "learnerkit", *map(str, words), "--json"], capture_output=True, text=True
    )
    if done.returncode not in (0, 1) or not done.stdout:
        print(done.stderr, file=sys.stderr)
    return done.returncode, json.loads(done.stdout) if done.stdout else {}


def edited(page, target, change):
    """A page whose record was changed by a function of it."""
    text = page.read_text(encoding="utf-8")
    found = re.search(rf'id="{ELEMENT}">(.*?)</script>', text, re.DOTALL)
    content = json.loads(found.group(1))
    change(content["run"])
    target.write_text(text[: found.start(1)] + json.dumps(content).replace("<", "\\u003c") + text[found.end(1) :])
    return target


def change_a_pixel(data, members):
    """Change the first sample of the training part, in a copy of the data."""
    copy = Path(shutil.copytree(data, data.with_name("changed")))
    file = copy / members[0]
    if file.suffix == ".npy":
        frame = np.load(file)
        frame.flat[0] ^= 64
        np.save(file, frame)
    else:
        content = torch.load(file, weights_only=True)
        content["saliency_maps"][0, 0, 0] += 0.5
        torch.save(content, file)
    return copy


def train(task, place, epochs, n):
    """A run and its data."""
    data = make_data(task, place / "data", n)
    where = [] if data is None else ["--data", data]
    kept = ["--checkpoint-every", 1, "--keep-last", max(2, epochs)]
    words = ["train", task, *kept, *SETTINGS[task].split(), *where, "--epochs", epochs, "--out", place, "--name", "run"]
    code, _ = command(*words)
    if code:
        sys.exit(f"{task} could not be trained")
    return place / "run", data, where


def replayed(run, wanted, rng):
    """How many of some random steps have their recorded loss, of how many, and the greatest difference."""
    steps = int(json.loads((run / "history.jsonl").read_text().splitlines()[-1])["step"])
    chosen = rng.choice(steps, min(wanted, steps), replace=False) + 1
    found = [replay_step(run, int(step)) for step in chosen]
    return sum(one.same for one in found), len(found), max(abs(one.loss - one.recorded) for one in found)


def planted(run, data, where, place):
    """Each planted change, and whether it was named as the likely cause."""
    page, members = run / "report.html", None
    if data is not None:
        members = [row[0] for row in json.loads(gzip.decompress((run / "members.json.gz").read_bytes()))["train"]]
    threads = json.loads((run / "run.json").read_text())["device"]["threads"]
    changes = {
        "seed": (edited(page, place / "seed.html", lambda said: said["resolved"].update(seed=7)), where, ()),
        "version of torch": (
            edited(page, place / "version.html", lambda said: said["versions"].update(torch="1.0")),
            where,
            (),
        ),
        "threads": (page, where, ("--threads", 1 if threads > 1 else 2)),
    }
    if data is not None:
        changes["data"] = (page, ["--data", change_a_pixel(data, members)], ())
    for what, (source, data_words, further) in changes.items():
        name = what.replace(" ", "-")
        _, said = command("reproduce", source, *data_words, *further, "--out", place / "again", "--name", name)
        yield what, [cause["what"] for cause in said.get("causes", [])][:1] == [what], said


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--tiny", action="store_true", help="few steps and one reproduction a task")
    asked = parser.parse_args()
    steps, times, epochs, n = (2, 1, 1, 16) if asked.tiny else (100, 10, 8, 64)
    rng, good = np.random.default_rng(0), True
    for task in SETTINGS:
        with tempfile.TemporaryDirectory() as folder:
            place = Path(folder)
            run, data, where = train(task, place, epochs, n)
            same, all_steps, greatest = replayed(run, steps, rng)
            print(
                f"{task}: {same} of {all_steps} steps have their loss, greatest difference {greatest:.1e}", flush=True
            )
            page = Path(shutil.copy(run / "report.html", place / "page.html"))
            words = ["reproduce", page, *where, "--out", place / "again", "--name"]
            alike = sum(command(*words, f"again-{number}")[0] == 0 for number in range(times))
            print(f"{task}: {alike} of {times} reproductions from the page are identical", flush=True)
            good &= same == all_steps and alike == times
            if asked.tiny and task != "saliency-wrn":
                continue
            for what, named, said in planted(run, data, where, place):
                step = "identical" if said.get("identical") else f"differs from step {said.get('step')}"
                print(f"{task}: {what} changed: {'named' if named else 'NOT NAMED'}, {step}", flush=True)
                good &= named
    sys.exit(0 if good else 1)


if __name__ == "__main__":
    os.environ.setdefault("PYTHONWARNINGS", "ignore")
    try:
        main()
    except LearnerkitError as error:
        sys.exit(f"error: {error}")
