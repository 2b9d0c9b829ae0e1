"""Two trainings at once on one machine, beside one: with threads that sleep while they wait, and with such that spin.

The command line lets them sleep; to spin is the default of OpenMP.

    python benchmarks/crowd.py [--rounds 3] [--beside 2]

`learnerkit train digits --epochs 3`, each a process of its own with the threads that it takes by itself; seconds until
the last has ended, imports included; and milliseconds of a step of a process alone.
"""

import argparse
import os
import statistics
import subprocess
import sys
import tempfile
import time

POLICIES = ("PASSIVE", "ACTIVE")
TRAIN = ["-m", "learnerkit", "train", "digits", "--epochs", "3", "--tta", "0"]
STEPS = """
import sys, time, torch
from learnerkit.models.create import create_model
name, bs, n = sys.argv[1], int(sys.argv[2]), int(sys.argv[3])
model = create_model(name).to(memory_format=torch.channels_last)
opt = torch.optim.SGD(model.parameters(), 0.01, momentum=0.9, fused=True)
x, y = torch.randn(bs, 3, 32, 32).to(memory_format=torch.channels_last), torch.randint(0, 10, (bs,))
def step():
    torch.nn.functional.cross_entropy(model(x), y).backward()
    opt.step()
    opt.zero_grad()
step()
times = []
for _ in range(n):
    start = time.perf_counter()
    step()
    times.append(time.perf_counter() - start)
print(sorted(times)[n // 2] * 1e3)
"""
MODELS = (("tiny_cnn", 64, 200), ("simple_cnn", 64, 40), ("se_resnet", 128, 8))


def environment(policy: str, **more: str) -> dict[str, str]:
    """This process's, with the way in which threads wait."""
    return {**os.environ, "OMP_WAIT_POLICY": policy, **more}


def seconds(policy: str, n: int, folder: str) -> float:
    """Until the last of n trainings at once has ended."""
    start = time.perf_counter()
    started = [
        subprocess.Popen(
            [sys.executable, *TRAIN, "--out", folder, "--name", f"{policy}-{n}-{number}-{start}"],
            env=environment(policy),
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
        )
        for number in range(n)
    ]
    if any(process.wait() for process in started):
        raise SystemExit("a training failed")
    return time.perf_counter() - start


def step_ms(policy: str, model: tuple[str, int, int], threads: int) -> float:
    """The median step of a model."""
    command = [sys.executable, "-c", STEPS, *map(str, model)]
    env = environment(policy, OMP_NUM_THREADS=str(threads))
    return float(subprocess.run(command, env=env, capture_output=True, text=True, check=True).stdout)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--beside", type=int, default=0, help="busy processes; steps alone are measured")
    given = parser.parse_args()
    rounds = given.rounds
    busy = [subprocess.Popen([sys.executable, "-c", "while True: pass"]) for _ in range(given.beside)]
    found: dict[tuple, list[float]] = {}
    with tempfile.TemporaryDirectory() as folder:
        for _ in range(rounds):
            for policy in POLICIES:
                for n in () if busy else (1, 2):
                    found.setdefault((policy, n), []).append(seconds(policy, n, folder))
                for model in MODELS:
                    for threads in (1, 2):
                        found.setdefault((policy, model[0], threads), []).append(step_ms(policy, model, threads))
    for process in busy:
        process.kill()
    middle = {key: statistics.median(values) for key, values in found.items()}
    for policy in POLICIES:
        if not busy:
            alone, both = middle[policy, 1], middle[policy, 2]
            print(f"{policy}: one training {alone:.1f} s, two at once {both:.1f} s, {both / alone:.2f} times")
        else:
            print(f"{policy}, beside {len(busy)} busy processes:")
        for name, *_ in MODELS:
            one, two = middle[policy, name, 1], middle[policy, name, 2]
            print(f"    {name}: a step {one:.1f} ms by one thread, {two:.1f} by two")


if __name__ == "__main__":
    main()
