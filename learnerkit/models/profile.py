"""How long a model takes and how much memory, measured alike for all, by the rules of nbs/profile_protocol.md."""

import contextlib
import copy
import inspect
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from functools import partial
from typing import Any, Literal

import numpy as np
import torch
from torch import Tensor, nn

from learnerkit.core.duration import durations
from learnerkit.core.environment import processor, threads_of, usual_device, wait_for
from learnerkit.core.errors import ModelError
from learnerkit.core.live import LiveTensors
from learnerkit.core.ranges import AtLeastOne, Count, Flag, OneOrMore, checked
from learnerkit.core.seed import kept_random_state
from learnerkit.core.tensors import size_of
from learnerkit.models.create import create_model
from learnerkit.models.info import info_at
from learnerkit.models.inputs import inputs_for, name_of
from learnerkit.models.size import check_size

Mode = Literal["inference", "training"]
Precision = Literal["fp32", "bf16", "fp16"]
DTYPES = {"bf16": torch.bfloat16, "fp16": torch.float16}


@dataclass(frozen=True)
class Conditions:
    """What is measured of a model, beside its sizes: see `profile_model`."""

    mode: str = "inference"
    precision: str = "fp32"
    compile: bool = False
    channels_last: bool = True
    repeats: int = 30
    warmup: int = 5


@checked
def profile_model(
    model: nn.Module | str,
    size: OneOrMore = 32,
    bs: OneOrMore = 1,
    *,
    mode: Mode = "inference",
    precision: Precision = "fp32",
    compile: Flag = False,
    channels_last: Flag = True,
    repeats: AtLeastOne = 30,
    warmup: Count = 5,
    threads: AtLeastOne | None = None,
    device: str | torch.device | None = None,
    n_in: AtLeastOne = 3,
    n_out: AtLeastOne = 10,
) -> list[dict[str, Any]]:
    """Latency, throughput, operations and memory of a model, a row for each size and batch size.

    model: a module, which is left as it is, or a name of `list_models()`.
    size: side of the images in pixels, one or several; bs: images at a time, one or several.
    mode: 'inference', or 'training': forward, cross entropy, backward and a step of plain SGD.
    precision: 'fp32', or 'bf16' and 'fp16' by autocast; fp16 on a GPU alone.
    compile: measure what `torch.compile` makes of it, once it is made.
    channels_last: memory layout of weights and images, that of a training by default.
    repeats: timed passes, of which latency_ms is the median, p95_ms the 95th percentile, least_ms the least; warmup:
        untimed ones before.
    threads: of a CPU; those of the process when None.
    device: a GPU where there is one when None, for a module its own.
    n_in, n_out: channels and classes of a model that is given by name.
    A row's latency is that of a whole batch, its multiply_adds are of one image. peak_memory_mb is that of weights and
    tensors at once: of a GPU as its allocator says, of a CPU of the tensors, without what kernels take inside, None for
    what is compiled there.

    Examples:
        >>> rows = profile_model("tiny_cnn", size=(32, 64), bs=1, repeats=3, warmup=1)
        >>> [(row["size"], row["multiply_adds"]) for row in rows]
        [(32, 701056), (64, 2802304)]
    """
    if isinstance(model, str):
        model, device = create_model(model, n_in, n_out), device or usual_device()
    sizes, batches = ((value,) if isinstance(value, int) else tuple(value) for value in (size, bs))
    conditions = Conditions(mode, precision, compile, channels_last, repeats, warmup)
    sides = [(side, side) for side in sizes]
    return measured(model, sides, batches, conditions, threads, device)


def measured(
    model: nn.Module,
    sides: Sequence[tuple[int, int]],
    batches: Sequence[int],
    conditions: Conditions,
    threads: int | None = None,
    device: str | torch.device | None = None,
) -> list[dict[str, Any]]:
    """As `profile_model`, of a module at heights and widths."""
    where = torch.device(device or next(model.parameters()).device)
    _refuse_what_cannot_be(model, conditions, where)
    for each in sides:
        check_size(model, each)
    with threads_of(threads), kept_random_state():
        before = torch.cuda.memory_allocated(where) if where.type == "cuda" else 0
        net = copy.deepcopy(model).to(where)
        net = net.to(memory_format=torch.channels_last) if conditions.channels_last else net
        return [_row(net, each, bs, conditions, before) for each in sides for bs in batches]


def _row(net: nn.Module, sides: tuple[int, int], bs: int, conditions: Conditions, before: int) -> dict[str, Any]:
    device = next(net.parameters()).device
    cuda = device.type == "cuda"
    info = info_at(net, sides)
    step = _pass_of(net, sides, bs, conditions, conditions.compile)
    with _said(net, sides, bs, conditions):
        if cuda:
            torch.cuda.reset_peak_memory_stats(device)
        seconds = durations(step, conditions.repeats, conditions.warmup, partial(wait_for, device))
        if cuda:
            memory = torch.cuda.max_memory_allocated(device) - before
        else:
            memory = None if conditions.compile else _tensor_bytes(net, sides, bs, conditions)
    median, p95 = map(float, np.percentile(seconds, [50, 95]))
    return {
        **{key: info[key] for key in ("name", "size")},
        "bs": bs,
        "mode": conditions.mode,
        "precision": conditions.precision,
        "compiled": conditions.compile,
        "latency_ms": round(1000 * median, 4),
        "p95_ms": round(1000 * p95, 4),
        "least_ms": round(1000 * min(seconds), 4),
        "images_per_s": round(bs / median, 2) if median else None,
        **{key: info[key] for key in ("multiply_adds", "parameters")},
        "peak_memory_mb": None if memory is None else round(memory / 1e6, 2),
        "memory_of": "allocator" if cuda else "tensors",
        "channels_last": conditions.channels_last,
        "device": processor(device),
        "threads": torch.get_num_threads(),
        "torch": torch.__version__,
        "repeats": conditions.repeats,
        "warmup": conditions.warmup,
    }


def _pass_of(net: nn.Module, sides: tuple[int, int], bs: int, conditions: Conditions, compiled: bool) -> Callable:
    """One pass of inference, or one step of training, on images drawn at random."""
    device = next(net.parameters()).device
    inputs = [torch.randn_like(part) for part in inputs_for(net, sides, bs, device)]
    if conditions.channels_last:
        inputs = [part.contiguous(memory_format=torch.channels_last) for part in inputs]
    dtype = DTYPES.get(conditions.precision)
    training = conditions.mode == "training"
    net.train(training)
    net.zero_grad(set_to_none=True)
    forward = torch.compile(net, dynamic=False) if compiled else net
    optimizer = torch.optim.SGD(net.parameters(), lr=1e-6) if training else None

    def run() -> Any:
        with torch.autocast(device.type, dtype=dtype, enabled=dtype is not None):
            return forward(*inputs)

    def infer() -> None:
        with torch.no_grad():
            run()

    def train() -> None:
        optimizer.zero_grad(set_to_none=True)
        _loss(net, run()).backward()
        optimizer.step()

    return train if training else infer


def _loss(net: nn.Module, output: Any) -> Tensor:
    if not isinstance(output, Tensor) or output.ndim != 2:
        what = f"of shape {list(output.shape)}" if isinstance(output, Tensor) else f"a {type(output).__name__}"
        raise ModelError(f"{name_of(net)}: its output is {what}, not logits [B,K]; profile its inference alone")
    return nn.functional.cross_entropy(output.float(), output.new_zeros(len(output), dtype=torch.int64))


def _tensor_bytes(net: nn.Module, sides: tuple[int, int], bs: int, conditions: Conditions) -> int:
    """The most bytes that weights, images and what a pass makes of them take at once."""
    step = _pass_of(net, sides, bs, conditions, compiled=False)
    held = {**dict(net.named_parameters()), **dict(net.named_buffers())}
    images = sum(part.nbytes for part in inputs_for(net, sides, bs, "meta"))
    with LiveTensors() as live:
        step()
    net.zero_grad(set_to_none=True)
    return size_of(held) + images + live.peak


def _refuse_what_cannot_be(model: nn.Module, conditions: Conditions, device: torch.device) -> None:
    parameters = inspect.signature(model.forward).parameters.values()
    needed = [p.name for p in parameters if p.default is p.empty and p.kind is p.POSITIONAL_OR_KEYWORD]
    if len(needed) > getattr(model, "n_inputs", 1):
        raise ModelError(
            f"{name_of(model)}: takes {len(needed)} inputs at once ({', '.join(needed)}), of which nothing is known; "
            f"where all are images of one shape, say so by an attribute n_inputs = {len(needed)} of the model"
        )
    if conditions.precision == "fp16" and device.type == "cpu":
        raise ModelError(f"{name_of(model)}: precision 'fp16' is far slower than fp32 on a CPU; use 'fp32' or 'bf16'")
    if device.type == "cuda" and not torch.cuda.is_available():
        raise ModelError(f"{name_of(model)}: device '{device}' is not there; leave device= out")


@contextlib.contextmanager
def _said(net: nn.Module, sides: tuple[int, int], bs: int, conditions: Conditions) -> Iterator[None]:
    """What cannot be measured, in one sentence."""
    try:
        yield
    except torch.OutOfMemoryError as error:
        raise ModelError(
            f"{name_of(net)}: a batch of {bs} at {sides[0]}x{sides[1]} pixels does not fit into the memory; try a "
            "smaller bs"
        ) from error
    except ModelError:
        raise
    except ValueError as error:
        if "more than 1 value per channel" not in str(error):
            raise
        raise ModelError(
            f"{name_of(net)}: a norm cannot train on one image of {sides[0]}x{sides[1]} pixels; give bs of 2 or more"
        ) from error
    except Exception as error:  # a compiler may fail by anything
        if not conditions.compile:
            raise
        first = (str(error).splitlines() or [type(error).__name__])[0]
        raise ModelError(f"{name_of(net)}: torch.compile failed here ({first}); leave compile out") from error
