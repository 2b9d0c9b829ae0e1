"""What the trials share: a small fit into a run folder, a digest of everything it left, and processes to be killed."""

import hashlib
import json
import os
import select
import signal
import time
import traceback

import numpy as np
import torch

from learnerkit.all import folder_dls, image_learner
from learnerkit.callbacks.run import RunKeeper as Run  # without the page at each end
from learnerkit.core.run_folder import OF_THE_MACHINE
from learnerkit.core.tensors import load_weights
from tests.conftest import make_toy_dls

EPOCHS = 3


def build(root, name="a", cbs=(), resume=False, dls=None, run_args=None, **kwargs):
    """A learner of 25 k parameters with batch norm and dropout, 4 batches an epoch, that keeps a run."""
    run = Run(root, name, resume=resume, **{"checkpoint_every": 1, **(run_args or {})})
    dls = dls or make_toy_dls(crop=2, randaugment=(1, 5))
    settings = {"model_args": {"width": 4, "dropout": 0.3}, "seed": 1, **kwargs}
    learn = image_learner(dls, "simple_cnn", cbs=[*cbs, run], **settings)
    learn.logger = lambda row: None
    return learn


def fit(learn):
    learn.fit_one_cycle(EPOCHS, 0.05)
    return learn


def digest(learn):
    """Hash of weights, averaged weights, optimizer, rates, losses, metrics, callbacks' states and ledger."""
    seen = hashlib.sha256()

    def take(value):
        if isinstance(value, torch.Tensor):
            seen.update(value.detach().cpu().contiguous().view(-1).numpy().tobytes() if value.numel() else b"")
        elif isinstance(value, dict):
            for key in sorted(value, key=str):
                seen.update(str(key).encode())
                take(value[key])
        elif isinstance(value, np.generic):
            take(value.item())
        elif isinstance(value, (list, tuple)) or hasattr(value, "tolist"):
            for item in value if isinstance(value, (list, tuple)) else value.tolist():
                take(item)
        else:
            seen.update(repr(value).encode())

    take(learn.model.state_dict())
    take(learn.eval_model().state_dict())
    take([dict(item) for item in learn.opt.opt.state.values()])
    take([learn.recorder.losses, learn.recorder.lrs, [list(row)[:-1] for row in learn.recorder.values]])
    for cb in learn.cbs:
        if cb.name in ("early_stop", "save_top_k", "ema"):
            take(cb.state_dict())
    rows = learn.run_folder.history()
    take([{key: value for key, value in row.items() if key not in OF_THE_MACHINE} for row in rows])
    take(load_weights(learn.run_folder.file("best_model.safetensors")))
    return seen.hexdigest()


def stream(root, num_workers):
    return folder_dls(root, size=12, bs=8, crop=1, cache="stream", num_workers=num_workers)


class Child:
    """A function in a forked process: `wait` gives (exit code or -signal, what it returned)."""

    def __init__(self, function, *args):
        self.pipe, write = os.pipe()
        self.pid = os.fork()
        if self.pid == 0:
            os.close(self.pipe)
            code = 1
            try:
                torch.set_num_threads(1)
                os.write(write, json.dumps(function(*args)).encode())
                code = 0
            except SystemExit as stop:
                code = stop.code
            except KeyboardInterrupt as stop:
                code = 128 + next((n for n in stop.args if isinstance(n, int)), 2)
            except BaseException:
                os.write(write, json.dumps({"error": traceback.format_exc()[-3000:]}).encode())
            finally:
                os._exit(code)
        os.close(write)

    def kill(self, number=signal.SIGKILL):
        os.kill(self.pid, number)

    def wait(self, timeout=60):
        until, data = time.monotonic() + timeout, b""
        while select.select([self.pipe], [], [], max(0, until - time.monotonic()))[0]:
            block = os.read(self.pipe, 1 << 16)
            if not block:
                break
            data += block
        else:
            self.kill()
        os.close(self.pipe)
        status = os.waitpid(self.pid, 0)[1]
        code = -os.WTERMSIG(status) if os.WIFSIGNALED(status) else os.WEXITSTATUS(status)
        return code, json.loads(data) if data else None


def run_fork(function, *args):
    """What a function returns in a forked process with one thread; AssertionError with its traceback otherwise."""
    code, value = Child(function, *args).wait()
    assert code == 0, value
    return value
