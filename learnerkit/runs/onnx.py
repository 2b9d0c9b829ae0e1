"""A model as an ONNX file: exported in evaluation mode, checked against the original, its use explained inside."""

import contextlib
import copy
import io
import json
import logging
import warnings
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn

from learnerkit import __version__
from learnerkit.core.errors import DataError, LearnerkitError, ModelError
from learnerkit.core.files import PathLike, atomic_write, made_folder
from learnerkit.core.optional import optional
from learnerkit.core.seed import kept_random_state
from learnerkit.core.tensors import size_of
from learnerkit.core.text import shortened
from learnerkit.models.inputs import name_of

OPSET = 18
SAMPLES = 32  # that the file and the original are compared on
MOST = 1e-3  # of the greatest output, by which they may differ
PREFIX = "learnerkit."  # of the file's metadata
EXTRA = "onnx"
LARGEST = 2_000_000_000  # bytes of weights: what protobuf writes into one file, less the graph


HOOKS = (
    "_forward_hooks",
    "_forward_pre_hooks",
    "_backward_hooks",
    "_backward_pre_hooks",
    "_forward_hooks_with_kwargs",
    "_forward_pre_hooks_with_kwargs",
    "_forward_hooks_always_called",
)


@dataclass(frozen=True)
class Checked:
    """How far a file is from its model.

    samples: that were compared; kind: 'valid' samples of the data, or 'random' normalised inputs.
    difference: the greatest of any output; relative: that over the greatest output.
    """

    samples: int
    kind: str
    difference: float
    relative: float


def write_onnx(
    model: nn.Module,
    file: PathLike,
    samples: Sequence[Tensor],
    names: Sequence[str],
    facts: dict[str, Any],
    kind: str = "random",
    output: str = "output",
) -> Checked:
    """Write a model as ONNX, where the file gives what the model gives; nothing is written otherwise.

    The model is copied in float32 on the CPU: its mode, its device, its precision and its hooks stay as they are. The
    copy is what the file is compared with, so that of a model in half precision the rounding is no difference; its
    hooks are removed before it is exported.

    model: any module whose forward pass the exporter can follow. file: its folder is made where it is missing.
    samples: normalised inputs [N,...] that both are compared on, one tensor an input; the batch is free in the file.
    names: of the inputs; output: of what the model gives, one tensor.
    facts: what else the file says of itself, by a name each; JSON, or text.
    kind: of the samples, 'valid' or 'random'.
    """
    file, onnx, runtime = Path(file), *(_needed(name) for name in ("onnx", "onnxruntime"))
    _needed("onnxscript")
    made_folder(file.parent)
    if (size := size_of(model.state_dict())) > LARGEST:
        raise ModelError(f"{name_of(model)}: has {size:,} bytes of weights; one ONNX file holds {LARGEST:,} at most")
    plain = _copied(model)
    wanted = _outputs(plain, samples)
    _remove_hooks(plain)
    proto = _exported(plain, samples, names, output)
    checked = _check(runtime, proto.SerializeToString(), samples, names, wanted, kind, name_of(model))
    said = {**facts, "opset": proto.opset_import[0].version, "check": vars(checked), "learnerkit": __version__}
    onnx.helper.set_model_props(proto, {f"{PREFIX}{key}": json.dumps(value) for key, value in said.items()})
    proto.producer_version = __version__
    proto.producer_name = "learnerkit"
    atomic_write(file, proto.SerializeToString())
    return checked


def read_onnx(file: PathLike) -> dict[str, Any]:
    """What a file that `write_onnx` made says of itself, by the names of its facts.

    file: DataError where it cannot be read, or says nothing.
    """
    runtime = _needed("onnxruntime")
    try:
        held = runtime.InferenceSession(str(file), providers=["CPUExecutionProvider"]).get_modelmeta()
    except Exception as error:  # of a module of somebody else's
        raise DataError(f"{file}: cannot be read as ONNX ({shortened(str(error), 200)})") from error
    said = held.custom_metadata_map
    if not any(key.startswith(PREFIX) for key in said):
        raise DataError(f"{file}: says nothing of itself; it was not written by learnerkit")
    return {key.removeprefix(PREFIX): json.loads(value) for key, value in said.items() if key.startswith(PREFIX)}


def random_samples(shapes: Sequence[Sequence[int]], n: int = SAMPLES) -> list[Tensor]:
    """Normalised inputs [n,...] drawn from a seed of their own, one tensor a shape."""
    generator = torch.Generator().manual_seed(0)
    return [torch.randn(n, *shape, generator=generator) for shape in shapes]


def _needed(module: str) -> Any:
    return optional(module, EXTRA, "an ONNX file")


def _outputs(model: nn.Module, samples: Sequence[Tensor]) -> np.ndarray:
    """What a model gives; ModelError with its own words where it takes no such samples."""
    try:
        with torch.no_grad(), kept_random_state():
            found = model(*samples)
    except LearnerkitError:
        raise
    except Exception as error:  # a module may raise anything
        shapes = ", ".join(str(list(part.shape)) for part in samples)
        raise ModelError(
            f"{name_of(model)}: fails on the samples {shapes} that the file is compared on ({_reason(error)}). Nothing "
            "was written; say what it takes (size=)"
        ) from error
    if not isinstance(found, Tensor):
        raise ModelError(f"{name_of(model)}: gives {type(found).__name__}, and one tensor is needed in an ONNX file")
    return found.detach().float().numpy()


def _copied(model: nn.Module) -> nn.Module:
    """A copy in float32 on the CPU, in evaluation mode."""
    try:
        return copy.deepcopy(model).cpu().float().eval()
    except Exception as error:  # a module may hold anything
        raise ModelError(f"{name_of(model)}: cannot be copied, so it cannot be exported ({error})") from error


def _remove_hooks(model: nn.Module) -> None:
    """Remove the hooks that others have put on a model; those that change what it gives are found by the comparison."""
    for module in model.modules():
        for name in HOOKS:
            getattr(module, name).clear()


def _exported(model: nn.Module, samples: Sequence[Tensor], names: Sequence[str], output: str) -> Any:
    """The file's content, as the exporter gives it; ModelError says what it could not follow."""
    two = tuple(part[:2].clone() for part in samples)
    batch = torch.export.Dim("batch", min=1)
    try:
        with _silent(), kept_random_state():
            program = torch.onnx.export(
                model,
                two,
                dynamo=True,
                input_names=list(names),
                output_names=[output],
                opset_version=OPSET,
                dynamic_shapes=tuple({0: batch} for _ in two),
                verbose=False,
            )
            return program.model_proto
    except LearnerkitError:
        raise
    except Exception as error:  # the exporter raises almost anything
        raise ModelError(
            f"{name_of(model)}: cannot be exported as ONNX: {_reason(error)}. Nothing was written. A folder without a "
            "suffix holds it as safetensors, which load_model reads"
        ) from error


def _reason(error: Exception) -> str:
    """Why the exporter gave up: the innermost of its errors, and where in the model."""
    while error.__cause__ is not None:
        error = error.__cause__
    lines = [line.strip() for line in str(error).splitlines() if line.strip()]
    where = next((line for line in lines if line.startswith("Caused by")), "")
    what = f"{type(error).__name__}: {lines[0] if lines else ''}"
    return shortened(f"{what} {where}".strip().rstrip("."), 400)


def _check(
    runtime: Any,
    content: bytes,
    samples: Sequence[Tensor],
    names: Sequence[str],
    wanted: np.ndarray,
    kind: str,
    model: str,
) -> Checked:
    """The difference between a file and its model; ModelError where it is too large, or another batch does not run."""
    try:
        session = runtime.InferenceSession(content, providers=["CPUExecutionProvider"])
        found = [_run(session, samples, names, slice(0, n)) for n in (len(wanted), 1)]
    except Exception as error:
        raise ModelError(
            f"{model}: was exported, and onnxruntime cannot run it ({shortened(str(error), 300)}). Nothing was written"
        ) from error
    differences = [float(np.abs(one - wanted[: len(one)]).max()) for one in found if one.shape[1:] == wanted.shape[1:]]
    difference = max(differences) if len(differences) == len(found) else float("inf")
    relative = difference / max(float(np.abs(wanted).max()), 1e-12)
    if not relative <= MOST:
        raise ModelError(
            f"{model}: the file gives other outputs than the model: they differ by {difference:.3g}, {relative:.2g} of "
            f"the greatest, and {MOST:g} is allowed. Nothing was written; a model whose forward pass depends on its "
            "values, on hooks or on chance cannot be exported"
        )
    return Checked(len(wanted), kind, difference, relative)


def _run(session: Any, samples: Sequence[Tensor], names: Sequence[str], rows: slice) -> np.ndarray:
    held = {one.name for one in session.get_inputs()}
    given = {name: part[rows].numpy() for name, part in zip(names, samples, strict=True) if name in held}
    return session.run(None, given)[0]


@contextlib.contextmanager
def _silent() -> Iterator[None]:
    """Without the exporter's warnings, its lines in the log and its prints: what matters of them is in its error."""
    nowhere = io.StringIO()
    with (
        warnings.catch_warnings(action="ignore"),
        contextlib.redirect_stdout(nowhere),
        contextlib.redirect_stderr(nowhere),
    ):
        before = logging.root.manager.disable
        logging.disable(logging.CRITICAL)
        try:
            yield
        finally:
            logging.disable(before)
