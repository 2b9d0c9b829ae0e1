"""Checkpoints: crashes at every file operation, a full disk, bit rot. A checkpoint is complete or absent."""

import contextlib
import ctypes
import errno
import os
import random
import resource
import shutil
import signal

import pytest
import torch

from learnerkit.core import checkpoint, fsops
from learnerkit.core.errors import DataError, LearnerkitError
from learnerkit.core.tensors import load_state, load_weights
from tests.reliability.toy import Child, build, fit, run_fork

pytestmark = pytest.mark.reliability
OPERATIONS = ("make_folder", "write", "append", "sync", "replace", "remove_tree")


def files(step):
    return {"model.safetensors": bytes(range(256)) * step, "state.pt": b"s" * 99, "state.json": b"{}"}


def prepare(parent, scenario):
    """Commits before the one on trial, as (epoch, step) of it."""
    before = {"first": [], "overwrite": [(1, 4), (2, 8)], "prune": [(1, 4), (2, 8)]}[scenario]
    for epoch, step in before:
        checkpoint.commit(parent, epoch, step, files(step))
    return {"first": (1, 4), "overwrite": (2, 8), "prune": (3, 12)}[scenario]


class Fault:
    """Replaces the operations by ones that count, and fail or kill before number `at`; a write is half done then."""

    def __init__(self, kind=None, at=None):
        self.kind, self.at, self.count, self.trace = kind, at, 0, []

    def __enter__(self):
        self.kept = {name: getattr(fsops, name) for name in OPERATIONS}
        for name in OPERATIONS:
            setattr(fsops, name, self.wrapped(name))
        return self

    def __exit__(self, *_):
        for name, function in self.kept.items():
            setattr(fsops, name, function)

    def wrapped(self, name):
        def call(path, *args):
            self.trace.append((name, path, *args[:1]))
            self.count += 1
            if self.count - 1 == self.at:
                if name in ("write", "append"):
                    self.kept[name](path, args[0][: len(args[0]) // 2])
                if self.kind == "SIGKILL":
                    os.kill(os.getpid(), signal.SIGKILL)
                raise OSError(getattr(errno, self.kind), os.strerror(getattr(errno, self.kind)), str(path))
            return self.kept[name](path, *args)

        return call


def strays(parent):
    return [path.name for pattern in (".tmp-*", ".del-*", ".*.tmp") for path in parent.glob(pattern)]


def corrupt(parent):
    """Visible checkpoints that fail their check."""
    found = []
    for path in checkpoint.candidates(parent):
        try:
            checkpoint.check(path)
        except DataError as error:
            found.append(str(error))
    return found


def newest_step(parent):
    return checkpoint.newest(parent)[0].step if checkpoint.candidates(parent) else 0


def naive_commit(parent, epoch, step, content):
    """What training scripts do: write over the one file."""
    fsops.write(parent / "last.bin", content["model.safetensors"])


def attempt(parent, kind, at, epoch, step):
    with Fault(kind, at):
        checkpoint.commit(parent, epoch, step, files(step))


def test_crash_at_every_operation_of_a_commit(tmp_path, gate):
    held = gate(
        "crash before every file operation of a commit: SIGKILL, ENOSPC, EIO x first, overwrite, prune",
        "newest valid checkpoint is n-1 or n; 0 corrupt; 0 stray files",
        "fastai `learn.save` over a file: 57 of 60 kills left it unreadable",
        least=120,
    )
    for scenario in ("first", "overwrite", "prune"):
        with Fault() as fault:
            epoch, step = prepare(tmp_path / f"count-{scenario}", scenario)
            fault.count = 0
            checkpoint.commit(tmp_path / f"count-{scenario}", epoch, step, files(step))
        for kind in ("SIGKILL", "ENOSPC", "EIO"):
            for at in range(fault.count):
                parent = tmp_path / f"{scenario}-{kind}-{at}"
                epoch, step = prepare(parent, scenario)
                parent.mkdir(exist_ok=True)
                before = newest_step(parent)

                if kind == "SIGKILL":
                    code, _ = Child(attempt, parent, kind, at, epoch, step).wait()
                    died = code == -signal.SIGKILL
                else:
                    with contextlib.suppress(LearnerkitError):
                        attempt(parent, kind, at, epoch, step)
                    died = not strays(parent)
                allowed = {before, step} | ({4} if scenario == "overwrite" else set())
                good = died and not corrupt(parent) and newest_step(parent) in allowed
                checkpoint.commit(parent, 9, 99, files(9))
                good = good and not strays(parent) and newest_step(parent) == 99
                held.trial(good, f"{parent.name}: {strays(parent)} {corrupt(parent)} newest {newest_step(parent)}")


def test_a_naive_commit_fails_the_same_trial(tmp_path):
    """The negative control: writing over the one file leaves a part of it."""
    whole = files(9)["model.safetensors"]
    (tmp_path / "last.bin").write_bytes(files(4)["model.safetensors"])
    with Fault("ENOSPC", 0), pytest.raises(OSError, match="No space"):
        naive_commit(tmp_path, 2, 9, files(9))
    assert (tmp_path / "last.bin").read_bytes() not in (whole, files(4)["model.safetensors"])


def test_every_file_is_synced_before_the_rename_and_the_folder_after(tmp_path):
    with Fault() as fault:
        checkpoint.commit(tmp_path, 1, 4, files(4))
    renamed = next(i for i, op in enumerate(fault.trace) if op[0] == "replace" and op[1].name.startswith(".tmp-"))
    before, after = fault.trace[:renamed], fault.trace[renamed + 1 :]
    for name in (*files(4), checkpoint.MANIFEST):
        written = next(i for i, op in enumerate(before) if op[0] == "write" and op[1].name == name)
        assert any(op[0] == "sync" and op[1].name == name for op in before[written:])
    assert before[-1][0] == "sync" and before[-1][1].name.startswith(".tmp-")
    assert after[0] == ("sync", tmp_path)


def limited_fit(root, limit):
    """Fit until the disk is full from the second epoch on; the message, or None."""
    learn = build(root)

    def fill(self=None):
        if learn.epoch == 1 and not learn.training:
            signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
            resource.setrlimit(resource.RLIMIT_FSIZE, (limit, resource.RLIM_INFINITY))

    learn.run_log.before_validate = fill
    try:
        fit(learn)
    except LearnerkitError as error:
        resource.setrlimit(resource.RLIMIT_FSIZE, (resource.RLIM_INFINITY, resource.RLIM_INFINITY))
        return str(error)
    return None


def on_a_small_disk(root, size):
    """The same on a disk of its own; None where that is not allowed."""
    libc = ctypes.CDLL(None, use_errno=True)
    os.makedirs(root)
    if libc.unshare(0x00020000) or libc.mount(b"none", b"/", None, 0x44000, None):  # private mounts of this process
        return {"skip": os.strerror(ctypes.get_errno())}
    if libc.mount(b"tmpfs", str(root).encode(), b"tmpfs", 0, f"size={size}k".encode()):
        return {"skip": os.strerror(ctypes.get_errno())}
    import learnerkit.callbacks.run as run

    run.check_space = lambda *args: None  # which would refuse before anything is written
    message = None
    try:
        fit(build(root / "runs", run_args={"keep_last": 9}))
    except LearnerkitError as error:
        message = str(error)
    found = checkpoint.candidates(root / "runs" / "a" / "checkpoints")
    return {"message": message, "corrupt": corrupt(root / "runs" / "a" / "checkpoints"), "n": len(found),
            "strays": strays(root / "runs" / "a" / "checkpoints")}  # fmt: skip


def test_a_full_disk(tmp_path, gate):
    held = gate(
        "disk full in mid-training: RLIMIT_FSIZE, a small tmpfs",
        "last good checkpoint loads; message has path, bytes needed, bytes free",
        "fastai: 'unexpected pos 44416 vs 44368', last good file destroyed",
        least=20,
    )
    rng = random.Random(0)
    for number in range(20):
        root = tmp_path / str(number)
        message = run_fork(limited_fit, root, rng.randrange(2_000, 22_000))
        parent = root / "a" / "checkpoints"
        good = message is not None and "bytes needed" in message and "free" in message and str(root) in message
        found = checkpoint.newest(parent)[0]
        load_state(found.path / "state.pt"), load_weights(found.path / "model.safetensors")
        held.trial(good and not corrupt(parent) and not strays(parent), f"{number}: {message}")
    for size in (180, 210, 240, 270):
        value = run_fork(on_a_small_disk, tmp_path / f"disk{size}", size)
        if "skip" in value:
            continue
        good = value["message"] and "bytes needed" in value["message"] and not value["corrupt"] and not value["strays"]
        held.trial(good and value["n"] >= 1, f"{size}k: {value}")


EDITS = [
    (b'"step": 8', b'"step": 9'),
    (b'"epoch": 2', b'"epoch": 1'),
    (b'"schema": 2', b'"schema": 3'),
    (b'"bytes": 5000', b'"bytes": 5001'),
    (b"state.json", b"stale.json"),
    (b"}", b""),
]


def test_bit_rot(tmp_path, gate):
    held = gate(
        "bit flips, truncations, missing files, manifest edits in a checkpoint",
        "all found, file named, previous checkpoint used",
        "`torch.load`: 165 of 200 flipped files load silently wrong",
        least=200,
    )
    source = tmp_path / "source"
    state = {"model.safetensors": b"w" * 5000, "state.pt": os.urandom(3000), "state.json": b'{"a": 1}'}
    checkpoint.commit(source, 1, 4, state)
    checkpoint.commit(source, 2, 8, state)
    rng = random.Random(1)

    def damage(folder, kind):
        file = rng.choice(sorted(folder.iterdir())) if kind != "manifest" else folder / checkpoint.MANIFEST
        data = bytearray(file.read_bytes())
        if kind == "flip":
            data[rng.randrange(len(data))] ^= 1 << rng.randrange(8)
        elif kind == "cut":
            data = data[: rng.randrange(len(data))]
        elif kind == "missing":
            file.unlink()
            return file
        else:
            old, new = rng.choice(EDITS)
            assert old in data
            data = data.replace(old, new)
        file.write_bytes(data)
        return file

    for kind, n in (("flip", 130), ("cut", 40), ("missing", 15), ("manifest", 20)):
        for number in range(n):
            parent = tmp_path / f"{kind}{number}"
            shutil.copytree(source, parent)
            file = damage(parent / checkpoint.folder_name(2, 8), kind)
            found, faults = checkpoint.newest(parent)
            named = len(faults) == 1 and (file.name in faults[0] or checkpoint.MANIFEST in faults[0])
            held.trial(found.step == 4 and named, f"{parent.name} {file.name}: {found.step} {faults}")
            shutil.rmtree(parent)


def test_torch_load_alone_misses_flipped_bits(tmp_path):
    """The negative control."""
    torch.save({"w": torch.ones(2000)}, tmp_path / "a.pt")
    data, silent = (tmp_path / "a.pt").read_bytes(), 0
    for place in range(1000, 6000, 100):
        changed = bytearray(data)
        changed[place] ^= 1
        (tmp_path / "b.pt").write_bytes(changed)
        with contextlib.suppress(RuntimeError):
            silent += not torch.equal(torch.load(tmp_path / "b.pt", weights_only=True)["w"], torch.ones(2000))
    assert silent > 25


def test_a_forecast_that_does_not_fit_refuses_the_start(tmp_path, monkeypatch):
    learn = build(tmp_path)
    learn.create_opt()
    learn.n_epoch = 3
    weights = sum(t.numel() * t.element_size() for t in learn.model.state_dict().values())
    needed = learn.run_log.retention.forecast(learn)
    assert needed == 4 * 2 * weights + 2 * weights  # two newest, best, one on its way, each with momentum; best, final
    monkeypatch.setattr(shutil, "disk_usage", lambda _: shutil._ntuple_diskusage(9, 9, needed - 1))
    with pytest.raises(LearnerkitError, match=r"will take .* at its peak and .* are free"):
        fit(learn)
    assert not (tmp_path / "a").exists()
