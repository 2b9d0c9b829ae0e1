"""Many runs: reading them cold and again, listing them, and the served page in Chromium until all are shown.

python benchmarks/many_runs.py [--runs 1000] [--epochs 30] [--rounds 5]

Cold: a process of its own each time, files in the disk's cache. The page: from the first byte asked for until the last
row is laid out, as the browser's own clock has it.
"""

import argparse
import json
import shutil
import statistics
import subprocess
import sys
import tempfile
import threading
import time
from pathlib import Path
from unittest.mock import patch

HERE = Path(__file__).parent
sys.path.insert(0, str(HERE.parent))

from learnerkit.core.files import to_json  # noqa: E402
from learnerkit.recipe import Train  # noqa: E402
from tests.runs.fake import fake_run  # noqa: E402

COLD = """
import sys, time
from learnerkit.runs.index import Index
from learnerkit.runs.listing import listed, table_lines
from pathlib import Path
index = Index(Path(sys.argv[1]))
times = [time.perf_counter()]
for _ in range(2):
    rows = index.rows()
    times.append(time.perf_counter())
table_lines(listed(rows, ["test_accuracy > .6"], "-test_accuracy"), 120)
times.append(time.perf_counter())
print(*(b - a for a, b in zip(times, times[1:])))
"""
SHOWN = "([n]) => document.querySelectorAll('.runs tbody tr').length === n && performance.now()"

SORTED = """async () => {
  const begun = performance.now();
  document.querySelector("thead button[data-key=test_accuracy]").click();
  while (!document.querySelector("[aria-sort]")) await new Promise((done) => setTimeout(done, 5));
  await new Promise((done) => requestAnimationFrame(() => setTimeout(done)));
  return performance.now() - begun;
}"""


def write_runs(root, n, epochs):
    """Runs of 20 experiments with the settings of a real recipe; the disk is not waited for."""
    train = Train().model_dump(mode="json")
    with patch("learnerkit.core.fsops.sync"):
        for number in range(n):
            model = {"arch": ("resnet18", "wrn16_4")[number % 2], "dropout": number % 3 / 10}
            mode, accuracy = ("add", "max", "gated")[number % 3], 0.5 + number % 90 / 200
            run = fake_run(root / f"e{number % 20:02}", f"r{number:04}", mode, number, accuracy, n=20, model=model)
            described = run.described()
            described["resolved"]["train"] = {**train, "lr": 0.01 * (1 + number % 7)}
            facts = {"monitor": "accuracy", "mode": "max", "n_epoch": epochs, "started": "2026-01-01 10:00:00"}
            run.file("run.json").write_text(to_json({**described, **facts}))
            row = run.history()[0]
            lines = [to_json({**row, "epoch": epoch}, indent=None) for epoch in range(1, epochs + 1)]
            run.file("history.jsonl").write_text("\n".join(lines) + "\n")


def reading(root, rounds):
    """Seconds of a cold look, a second look, and a filtered and sorted table, a process each."""
    words = [sys.executable, "-c", COLD, str(root)]
    found = [list(map(float, subprocess.check_output(words, text=True).split())) for _ in range(rounds)]
    return [statistics.median(column) for column in zip(*found, strict=True)]


def page_times(root, n, rounds):
    """Seconds until all rows are shown, until they are sorted, filtered by a text, until a change is seen."""
    import uvicorn
    from playwright.sync_api import sync_playwright

    from learnerkit.commands.serving import bind
    from learnerkit.runs.web import make_app

    bound = bind("127.0.0.1", 0)
    server = uvicorn.Server(uvicorn.Config(make_app(root, {}), log_level="warning", lifespan="off"))
    thread = threading.Thread(target=server.run, kwargs={"sockets": [bound]}, daemon=True)
    thread.start()
    address = f"http://127.0.0.1:{bound.getsockname()[1]}/"
    found = []
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=shutil.which("chromium"), args=["--no-sandbox"])
        for number in range(rounds):
            page = browser.new_page(viewport={"width": 1400, "height": 900}, bypass_csp=True)
            page.goto(address, wait_until="commit")
            shown = page.wait_for_function(SHOWN, arg=[n]).json_value() / 1000
            times = [shown]
            times.append(page.evaluate(SORTED) / 1000)
            begun = time.perf_counter()
            page.get_by_label("Find").fill("r0001")
            page.wait_for_function("document.querySelectorAll('.runs tbody tr').length === 1")
            times.append(time.perf_counter() - begun)
            begun = time.perf_counter()
            (root / "e01" / "r0001" / "results.json").write_text(json.dumps({"test_accuracy": 0.001 * (number + 1)}))
            page.wait_for_function(f"document.querySelector('.runs tbody tr').textContent.includes('0.00{number + 1}')")
            times.append(time.perf_counter() - begun)
            found.append(times)
            page.close()
        browser.close()
    server.should_exit = True
    thread.join()
    return [(statistics.median(column), min(column), max(column)) for column in zip(*found, strict=True)]


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--runs", type=int, default=1000)
    parser.add_argument("--epochs", type=int, default=30)
    parser.add_argument("--rounds", type=int, default=5)
    wanted = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        root = Path(folder) / "runs"
        write_runs(root, wanted.runs, wanted.epochs)
        cold, again, table = reading(root, wanted.rounds)
        print(f"{wanted.runs:,} runs of {wanted.epochs} epochs, medians of {wanted.rounds}")
        print(f"read: {cold:.3f} s cold, {again:.3f} s again; filtered, sorted and laid out: {table:.3f} s")
        names = ("all rows shown", "sorted by a column", "filtered by a text", "a change seen (asked for every 2 s)")
        for name, (middle, least, most) in zip(names, page_times(root, wanted.runs, wanted.rounds), strict=True):
            print(f"page, {name}: {middle:.2f} s ({least:.2f}-{most:.2f})")


if __name__ == "__main__":
    main()
