"""Read and write one hyper-parameter of an optimizer, torch's or fastai's, without rebuilding all of them."""

from collections.abc import Sequence

from fastai.optimizer import OptimWrapper

from learnerkit._fastai import BaseOptimizer


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
    key, _, index = opt.bwd_map[name].partition("__")
    for group, value in zip(opt.opt.param_groups, values, strict=True):
        if index:
            pair = list(group[key])
            pair[int(index)] = value
            group[key] = tuple(pair)
        else:
            group[key] = value
