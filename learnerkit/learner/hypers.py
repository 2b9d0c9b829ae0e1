"""Read and write one hyper-parameter of an optimizer, torch's or fastai's, without rebuilding all of them."""

from collections.abc import Sequence
from typing import Any

from fastai.optimizer import OptimWrapper

from learnerkit._fastai import BaseOptimizer


class Hypers(dict):
    """The hyper-parameters of one parameter group by fastai's names; what is set here is set in the optimizer.

    opt: fastai's wrapper; number: of the group.
    """

    def __init__(self, values: dict[str, Any], opt: OptimWrapper, number: int) -> None:
        super().__init__(values)
        self.opt, self.number = opt, number

    def __setitem__(self, name: str, value: Any) -> None:
        _write(self.opt.opt.param_groups[self.number], self.opt.bwd_map[name], value)
        super().__setitem__(name, value)

    def update(self, *args: Any, **kwargs: Any) -> None:
        """Set several."""
        for name, value in dict(*args, **kwargs).items():
            self[name] = value


class TorchOptimizer(OptimWrapper):
    """fastai's wrapper of a torch optimizer with `hypers` that can be set one by one, as those of its own optimizers.

    fastai's ReduceLROnPlateau sets them so; in its wrapper they are a copy.
    """

    @property
    def hypers(self) -> list[Hypers]:
        """The hyper-parameters of each group; switches of torch's that are None are none, and trackers take numbers."""
        said = [{name: value for name, value in values.items() if value is not None} for values in super().hypers]
        return [Hypers(values, self, number) for number, values in enumerate(said)]


def read_hyper(opt: BaseOptimizer, name: str) -> float:
    """The value of `name` ('lr', 'mom', 'wd') in the last parameter group."""
    if not isinstance(opt, OptimWrapper):
        return opt.hypers[-1][name]
    key, _, index = opt.bwd_map[name].partition("__")
    value = opt.opt.param_groups[-1][key]
    return value[int(index)] if index else value


def write_hyper(opt: BaseOptimizer, name: str, values: Sequence[float]) -> None:
    """Set `name` to one value a parameter group."""
    if not isinstance(opt, OptimWrapper):
        for hypers, value in zip(opt.hypers, values, strict=True):
            hypers[name] = value
        return
    for group, value in zip(opt.opt.param_groups, values, strict=True):
        _write(group, opt.bwd_map[name], value)


def _write(group: dict[str, Any], place: str, value: Any) -> None:
    """Set a hyper-parameter of torch's; place: its key, for one of a tuple 'key__number'."""
    key, _, index = place.partition("__")
    if index:
        pair = list(group[key])
        pair[int(index)] = value
        value = tuple(pair)
    group[key] = value
