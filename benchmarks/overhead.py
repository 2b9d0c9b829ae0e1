"""Microseconds a batch that a loop adds on a model too small to matter: bare PyTorch, fastai, Lightning, learnerkit.

python benchmarks/overhead.py [--rounds 5]
"""

import math
import sys
import time

from kit.command import main
from kit.question import Contender, Setting, Table, Target, difference

RATE, STEPS = 0.01, (20, 500, 500)


def curve(done):
    """The one-cycle rate, as fastai has it: a cosine up from RATE/25 in the first quarter, then down to RATE/1e5."""
    start, end, part = (RATE / 25, RATE, done / 0.25) if done < 0.25 else (RATE, RATE / 1e5, (done - 0.25) / 0.75)
    return start + (1 - math.cos(math.pi * part)) * (end - start) / 2


def work():
    """The model, the batch and the loss, the same for all."""
    import torch

    torch.manual_seed(0)
    return torch.nn.Linear(10, 10), (torch.randn(2, 10), torch.tensor([1, 2])), torch.nn.CrossEntropyLoss()


class Watch:
    """Microseconds a batch, by the clock and of the processor, which others do not lengthen; the weights' norm."""

    def __init__(self):
        self.began, self.spent = time.perf_counter(), time.process_time()

    def figure(self, steps, model):
        seconds, spent = time.perf_counter() - self.began, time.process_time() - self.spent
        norm = f"{float(model.weight.detach().double().norm()):.6f}"
        return {"figure": seconds / steps * 1e6, "cpu": spent / steps * 1e6, "norm": norm}


def bare(setting: Setting):
    import torch

    steps = setting.of(*STEPS)

    def run():
        model, (x, y), loss_func = work()
        opt = torch.optim.SGD(model.parameters(), RATE, momentum=0.9, nesterov=True, fused=True)
        watch = Watch()
        for step in range(steps):
            for group in opt.param_groups:
                group["lr"] = curve(step / steps)
            loss_func(model(x), y).backward()
            opt.step()
            opt.zero_grad()
        return watch.figure(steps, model)

    return run


def of_fastai(cls, opt_func, idle, steps, **kwargs):
    import torch
    from fastai.callback.core import Callback
    from fastai.data.core import DataLoaders

    class Batches:
        """A loader of one ready batch, again and again."""

        device = torch.device("cpu")

        def __len__(self):
            return steps

        def __iter__(self):
            for _ in range(steps):
                yield batch

    cbs = [type(f"Idle{n}", (Callback,), {})() for n in range(idle)]
    model, batch, loss_func = work()
    dls = DataLoaders(Batches(), [], device=torch.device("cpu"))
    learn = cls(dls, model, loss_func, opt_func=opt_func, moms=(0.9,) * 3, cbs=cbs, **kwargs)
    learn.logger = lambda row: None
    with learn.no_bar():
        watch = Watch()
        learn.fit_one_cycle(1, RATE)
        return watch.figure(steps, model)


def fastai(idle=0):
    def make(setting: Setting):
        from functools import partial

        import torch
        from fastai.callback.schedule import Learner
        from fastai.optimizer import OptimWrapper

        opt_func = partial(OptimWrapper, opt=torch.optim.SGD, momentum=0.9, nesterov=True, fused=True)
        return lambda: of_fastai(Learner, opt_func, idle, setting.of(*STEPS))

    return make


def learnerkit(idle=0, **kwargs):
    def make(setting: Setting):
        from learnerkit.learner.kit import KitLearner
        from learnerkit.learner.make import make_opt_func

        given = {"seed": 1, **kwargs}
        return lambda: of_fastai(KitLearner, make_opt_func("sgd"), idle, setting.of(*STEPS), **given)

    return make


def lightning(setting: Setting):
    import logging

    import pytorch_lightning as pl
    import torch
    from torch.utils.data import DataLoader

    logging.getLogger("pytorch_lightning").setLevel(logging.ERROR)
    steps = setting.of(*STEPS)

    def run():
        model, (x, y), loss_func = work()

        class Module(pl.LightningModule):
            def __init__(self):
                super().__init__()
                self.model = model

            def training_step(self, batch, _):
                return loss_func(self.model(batch[0]), batch[1])

            def configure_optimizers(self):
                opt = torch.optim.SGD(self.parameters(), RATE, momentum=0.9, nesterov=True, fused=True)
                schedule = torch.optim.lr_scheduler.LambdaLR(opt, lambda step: curve(step / steps) / RATE)
                return {"optimizer": opt, "lr_scheduler": {"scheduler": schedule, "interval": "step"}}

        quiet = dict.fromkeys(("logger", "enable_checkpointing", "enable_progress_bar", "enable_model_summary"), False)
        trainer = pl.Trainer(max_epochs=1, accelerator="cpu", **quiet)
        module, loader = Module(), DataLoader([(x, y)] * steps, batch_size=None)
        watch = Watch()
        trainer.fit(module, loader)
        return watch.figure(steps, model)

    return run


TABLES = {
    "overhead": Table(
        title="What the loop adds to a batch",
        asks="How long does a batch take where the model costs nothing: nn.Linear(10, 10), batches of 2, fused SGD "
        "with momentum, fastai's one-cycle, 500 batches? That all did the same is shown by the norm of their weights.",
        unit="us a batch",
        contenders={
            "bare loop": Contender(bare),
            "fastai": Contender(fastai()),
            "fastai, 8 idle callbacks more": Contender(fastai(8)),
            "Lightning": Contender(lightning),
            "learnerkit": Contender(learnerkit(), "seeded by position, guarded, watched for signs of a bad training"),
            "learnerkit, 8 idle callbacks more": Contender(learnerkit(8)),
            "learnerkit, unseeded, unwatched": Contender(learnerkit(seed=None, diagnose=False)),
        },
        base="bare loop",
        targets=[
            Target("learnerkit over the bare loop, us", difference("learnerkit", "bare loop"), 250),
        ],
        columns={"us of CPU, last round": "cpu", "norm of the weights": "norm"},
        threads=1,
    )
}

if __name__ == "__main__":
    sys.exit(main("overhead"))
