"""fastai's ParamScheduler, writing floats straight into the parameter groups."""

from typing import Any

import numpy as np
from fastai.callback.schedule import ParamScheduler

from learnerkit.learner.hypers import read_hyper, write_hyper


class LeanScheduler(ParamScheduler):
    """Schedule hyper-parameters by functions of the part of training done, as fastai's parent does.

    scheds: name of a hyper-parameter to a function of 0..1.
    """

    def _update_val(self, pct: float) -> None:
        groups = len(self.opt.param_lists)
        for name, schedule in self.scheds.items():
            values = np.ravel(schedule(pct)).tolist()
            write_hyper(self.opt, name, values * groups if len(values) == 1 else values)

    def after_batch(self) -> None:
        opt = self.opt
        for name, values in self.hps.items():
            values.append(read_hyper(opt, name))

    def state_dict(self) -> dict[str, Any]:
        """The values used so far."""
        return {"hps": self.hps}

    def load_state_dict(self, state: dict[str, Any]) -> None:
        """Go on from `state_dict`."""
        self.hps = {name: list(values) for name, values in state["hps"].items()}
