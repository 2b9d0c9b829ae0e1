"""A training step and an evaluation of one frame: mit_b0 with two streams beside torchvision's fasterrcnn_resnet50_fpn.

Frames of 240x320, five channels (three for torchvision's), batches of 2, rounds interleaved; peak memory of a process
each.
python benchmarks/detection.py [--rounds 5]
"""

import argparse
import re
import statistics
import subprocess
import sys
import time
from pathlib import Path

import torch

HEIGHT, WIDTH, BS = 240, 320, 2
NAMES = ("learnerkit mit_b0", "learnerkit mit_b0, torchvision's limits")
NAMES += ("torchvision resnet50, 240", "torchvision resnet50, as it comes")


def contender(name):
    """Functions that do a training step, and an evaluation of one frame."""
    from torchvision.models.detection import fasterrcnn_resnet50_fpn

    from learnerkit.all import create_model
    from learnerkit.detect.boxes import pack_boxes

    torch.manual_seed(0)
    corners = torch.rand(BS, 6, 2) * torch.tensor([WIDTH - 70.0, HEIGHT - 70.0])
    boxes = torch.cat([corners, corners + 10 + torch.rand(BS, 6, 2) * 50], dim=2)
    codes = torch.randint(0, 3, (BS, 6))
    if name.startswith("learnerkit"):
        limits = {} if name.endswith("mit_b0") else {"proposals": (2000, 1000), "box_batch_size_per_image": 512}
        own = {"anchors": [9, 18, 36, 72, 144], "box_batch_size_per_image": 64, **limits}
        model = create_model("detect:mit_b0", 5, 3, **own)
        frames, sizes = torch.rand(BS, 5, HEIGHT, WIDTH), torch.tensor([[HEIGHT, WIDTH]] * BS)
        targets = torch.stack([pack_boxes(b, c, 6) for b, c in zip(boxes, codes, strict=True)])
        losses = lambda: model(frames, sizes, targets)[1]  # noqa: E731
        detect = lambda: model(frames[:1], sizes[:1])  # noqa: E731
    else:
        size = {"min_size": HEIGHT, "max_size": WIDTH} if name.endswith("240") else {}
        none = {"weights": None, "weights_backbone": None, "trainable_backbone_layers": 5}
        model = fasterrcnn_resnet50_fpn(num_classes=4, **none, **size)
        frames = list(torch.rand(BS, 3, HEIGHT, WIDTH))
        truth = [{"boxes": b, "labels": c + 1} for b, c in zip(boxes, codes, strict=True)]
        losses = lambda: model(frames, truth)  # noqa: E731
        detect = lambda: model(frames[:1])  # noqa: E731
    optimizer = torch.optim.SGD(model.parameters(), lr=1e-3, momentum=0.9)

    def step():
        model.train()
        optimizer.zero_grad()
        sum(losses().values()).backward()
        optimizer.step()

    @torch.no_grad()
    def look():
        model.eval()
        detect()

    return model, step, look


def seconds(function):
    start = time.perf_counter()
    function()
    return time.perf_counter() - start


def peak_gib():
    """Greatest memory of this process so far, by Linux; that of getrusage counts what the parent held at the fork."""
    text = Path("/proc/self/status").read_text()
    return int(re.search(r"VmHWM:\s+(\d+) kB", text)[1]) / 2**20


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--memory", help=argparse.SUPPRESS)
    options = parser.parse_args()
    if options.memory:
        _, step, _ = contender(options.memory)
        before = peak_gib()
        step(), step()
        print(f"{before:.2f} {peak_gib():.2f}")
        return
    built = {name: contender(name) for name in NAMES}
    taken = {name: ([], []) for name in NAMES}
    for number in range(options.rounds + 1):
        for name, (_, step, look) in built.items():
            for kept, function in zip(taken[name], (step, look), strict=True):
                spent = seconds(function)
                if number:  # the first round warms up
                    kept.append(spent)
    for name, (steps, looks) in taken.items():
        parameters = sum(p.numel() for p in built[name][0].parameters())
        command = [sys.executable, __file__, "--memory", name]
        before, peak = subprocess.run(command, check=True, capture_output=True, text=True).stdout.split()
        print(
            f"{name:<42} {parameters:>11,} parameters   step {statistics.median(steps):.2f} s "
            f"({min(steps):.2f}-{max(steps):.2f})   one frame {statistics.median(looks) * 1000:.0f} ms   "
            f"peak {peak} GiB ({before} before the first step)"
        )


if __name__ == "__main__":
    main()
