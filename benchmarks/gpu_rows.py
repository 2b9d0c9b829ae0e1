"""The rows that need a GPU: each a command with a limit, whose failure is a row too. `gpu.sh` calls it.

python benchmarks/gpu_rows.py [CIFAR10] [CIFAR100] [--tiny] [--only speedrun,step]
"""

import argparse
import json
import os
import shlex
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from kit.machine import versions

HERE = Path(__file__).parent
OUT = HERE / "results" / "gpu.json"
MINUTES = 38.0  # for all; what would begin later has a row that says so
TINY = "--epochs 1 --limit-batches 2 --bs 8 --tta 0"


@dataclass(frozen=True)
class Step:
    """One row or more.

    asks: what it shows. command: what is run, with {data10}, {data100}, {out}, {tiny} filled in.
    seconds: after which it is ended. read: what it printed, and the folder of its runs, to the row's figure.
    seeds: how often, with {seed} from 1; environment: of the command.
    """

    name: str
    asks: str
    command: str
    seconds: float
    read: Callable[[str, Path], str]
    seeds: int = 1
    environment: tuple[tuple[str, str], ...] = ()


def trained(_: str, folder: Path) -> str:
    """Test accuracy and seconds of the runs below a folder."""
    found = [json.loads(file.read_text()) for file in sorted(folder.rglob("results.json"))]
    if not found:
        raise RuntimeError("no run with results")
    keys = next(key for key in ("test_accuracy_tta", "test_accuracy") if key in found[0])
    right, seconds = [one[keys] for one in found], [one["seconds"] for one in found]
    spread = f", std {statistics.stdev(right):.4f}" if len(right) > 1 else ""
    return (
        f"{keys} {statistics.mean(right):.4f}{spread} ({min(right):.4f}-{max(right):.4f}), training "
        f"{statistics.median(seconds):.1f} s ({min(seconds):.1f}-{max(seconds):.1f}), n = {len(found)}"
    )


def printed(text: str, _: Path) -> str:
    """The last lines that a command prints, as one."""
    lines = [line.strip() for line in text.splitlines() if line.strip()]
    return "; ".join(lines[-4:])


def last(text: str, _: Path) -> str:
    """The last line that a command prints."""
    return text.strip().splitlines()[-1].strip("= ")


KIT, TEST = "{python} -W ignore -m learnerkit.cli", "{python} -m pytest -q -p no:cacheprovider -W ignore"
GPU = "{python} -W ignore {here}/gpu.py"
CIFAR10, CIFAR100 = "--data {data10} --out {out}", "--data {data100} --out {out}"
ONE = (("CUBLAS_WORKSPACE_CONFIG", ":4096:8"),)
REPEATED = "import sys, torch, pytest; torch.use_deterministic_algorithms(True, warn_only=True); "
STEPS = (
    Step(
        "speedrun",
        "cifar10-speedrun94: accuracy and seconds, ten seeds",
        f"{KIT} train cifar10-speedrun94 {CIFAR10} --seed {{seed}} --name seed{{seed}} {{tiny}}",
        90,
        trained,
        seeds=10,
    ),
    Step("public", "a public script on the same card, one run", "{python} {airbench}", 300, printed),
    Step("step", "a step of hybrid_resnet, bare and learnerkit", f"{GPU} --rounds 3 {{few}}", 240, printed),
    Step(
        "wide",
        "a step of WRN-28-10, bf16, channels last, bare and learnerkit",
        f"{GPU} --arch wrn_28_10 --bs 128 --precision bf16 --steps 50 --rounds 3 {{few}}",
        240,
        printed,
    ),
    Step("loader", "the loader's pace beside copies on the device", f"{GPU} --loader {{few}}", 120, printed),
    Step(
        "utilisation", "how busy the GPU is in an epoch of hybrid_resnet", f"{GPU} --utilisation {{few}}", 120, printed
    ),
    Step(
        "precision",
        "fp16 and bf16, GradScaler and guard on the device",
        f"{TEST} {{root}}/tests/callbacks/test_guard.py {{root}}/tests/data/test_devices.py {{which}}",
        240,
        last,
    ),
    Step(
        "resume",
        "resumed trainings beside unbroken ones, deterministic",
        f'{{python}} -c "{REPEATED}sys.exit(pytest.main(sys.argv[1:]))" -m reliability -k pairs_resume -W ignore -q '
        "{root}/tests/reliability/test_resume_pairs.py {first}",
        300,
        last,
        environment=ONE,
    ),
    Step(
        "hybrid",
        "cifar10-hybrid in five minutes: accuracy and time",
        f"{KIT} train cifar10-hybrid {CIFAR10} --bs 512 --lr 0.2 --precision bf16 --epochs 200 --budget 5m {{tiny}}",
        420,
        trained,
    ),
    Step(
        "resnet18",
        "cifar100-resnet18 in eight minutes: accuracy and time",
        f"{KIT} train cifar100-resnet18 {CIFAR100} --precision bf16 --budget 8m {{tiny}}",
        600,
        trained,
    ),
)


def why(text: str) -> str:
    """What a failed command says last."""
    lines = [line.strip(" │╭╰─╮╯") for line in text.strip().splitlines()]
    lines = [line for line in lines if line]
    return lines[-1][:200] if lines else "it said nothing"


def done(step: Step, given: dict[str, str], left: float) -> dict[str, object]:
    """The row of one step."""
    command, began = step.command, time.perf_counter()
    row: dict[str, object] = {"name": step.name, "asks": step.asks, "figure": None}
    for key, missing in (("data10", "no CIFAR-10 folder given"), ("data100", "no CIFAR-100 folder given")):
        if f"{{{key}}}" in command and not given[key]:
            return {**row, "why": missing}
    if "{airbench}" in command and not given["airbench"]:
        return {**row, "why": "no script given (AIRBENCH=path)"}
    text, problem = "", None
    with tempfile.TemporaryDirectory(prefix="gpu-") as folder:
        for seed in range(1, (1 if given["tiny"] else step.seeds) + 1):
            words = shlex.split(command.format(**given, out=folder, seed=seed))
            limit = min(step.seconds, left - (time.perf_counter() - began))
            if limit <= 0:
                problem = "no time was left"
                break
            try:
                ended = subprocess.run(
                    words,
                    env={**os.environ, **dict(step.environment)},
                    stdout=subprocess.PIPE,
                    stderr=subprocess.STDOUT,
                    stdin=subprocess.DEVNULL,
                    text=True,
                    timeout=limit,
                )
            except subprocess.TimeoutExpired:
                problem = f"ended after {limit:.0f} s"
                break
            text = ended.stdout
            if ended.returncode:
                problem = f"ended with {ended.returncode}: {why(text)}"
                break
        try:
            row["figure"] = step.read(text, Path(folder)) if not problem or step.read is trained else None
        except Exception as error:
            problem = problem or f"{type(error).__name__}: {error}"
    return {**row, "why": problem, "seconds": round(time.perf_counter() - began)}


def keep(out: Path, device: str | None, rows: list[dict[str, object]]) -> None:
    """Write the rows, whole or not at all."""
    content = {"device": device, "taken": time.strftime("%Y-%m-%d %H:%M"), "versions": versions(), "rows": rows}
    out.parent.mkdir(parents=True, exist_ok=True)
    part = out.with_name(f".{out.name}.part")
    part.write_text(json.dumps(content, indent=1) + "\n")
    part.replace(out)


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("data10", nargs="?", default="", help="folder of CIFAR-10 in the official layout")
    parser.add_argument("data100", nargs="?", default="", help="folder of CIFAR-100")
    parser.add_argument("--tiny", action="store_true", help="whether every step runs; the page stays as it is")
    parser.add_argument("--only", default="", help="steps, with commas between them")
    parser.add_argument("--out", type=Path, help="where the rows go")
    asked = parser.parse_args()
    import torch

    device = torch.cuda.get_device_name() if torch.cuda.is_available() else None
    out = asked.out or (HERE / "tiny" / "gpu.json" if asked.tiny else OUT)
    if device is None and not asked.tiny:
        if not out.exists():
            rows = [{"name": step.name, "asks": step.asks, "figure": None, "why": "no GPU was there"} for step in STEPS]
            keep(out, None, rows)
        parser.error("there is no GPU here; --tiny tries the steps on a processor")
    given = {
        "python": sys.executable,
        "here": str(HERE),
        "root": str(HERE.parent),
        "data10": asked.data10,
        "data100": asked.data100,
        "airbench": os.environ.get("AIRBENCH", ""),
        "tiny": TINY if asked.tiny else "",
        "few": "--tiny" if asked.tiny else "",
        "which": "-k bf16" if asked.tiny else "",
        "first": "--maxfail 1 --collect-only" if asked.tiny else "",
    }
    names = [name for name in asked.only.split(",") if name] or [step.name for step in STEPS]
    known = {row["name"]: row for row in json.loads(out.read_text())["rows"]} if out.exists() else {}
    rows, began = [], time.perf_counter()
    for step in STEPS:
        left = MINUTES * 60 - (time.perf_counter() - began)
        if step.name in names:
            rows.append(done(step, given, left))
            print(f"{step.name}: {rows[-1]['figure'] or ''} {rows[-1]['why'] or ''}".rstrip(), flush=True)
        else:
            left_out = {"name": step.name, "asks": step.asks, "figure": None, "why": "not asked for"}
            rows.append(known.get(step.name, left_out))
        keep(out, device, rows)  # after every step: what was found stays when the machine goes
    return 0


if __name__ == "__main__":
    sys.exit(main())
