"""Attribution along a path or over noise: integrated gradients, SmoothGrad and DeepLIFT, by captum.

Needs the extra `explain`. Tensors are [B,C,H,W].
"""

import warnings
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from types import ModuleType
from typing import Any

import torch
from torch import Tensor, nn

from learnerkit.core.errors import DataError
from learnerkit.core.optional import optional
from learnerkit.core.ranges import AtLeastOne, NotNegative, Seed, checked
from learnerkit.core.seed import kept_random_state, seed_position
from learnerkit.core.warn import warn
from learnerkit.explain.passes import explained, prepared, scored
from learnerkit.explain.scores import Images, Score, Targets, as_given, class_indices, class_scores
from learnerkit.explain.unshared import with_own_activations

GAP = 0.05  # of the difference in score, above which an attribution that has to add up to it is warned of
STEPS = (50, 100, 200, 400)  # of a path, where no number is asked for
Baseline = float | Tensor | Sequence[Tensor]


@checked
def integrated_gradients(
    model: nn.Module,
    images: Images,
    targets: Targets = None,
    score: Score = class_scores,
    baseline: Baseline = 0.0,
    n_steps: AtLeastOne | None = None,
    bs: AtLeastOne = 32,
) -> Any:
    """Integrated gradients (Sundararajan et al. 2017), by captum: what each value adds to the score, [B,C,H,W], signed.

    model, images, targets, score: as in `saliency_map`; the predicted classes are those of the images themselves.
    baseline: where the path begins: a number, or a tensor of the images' shape, or one for each input. 0 is the mean
        colour of normalised images.
    n_steps: points of the path (Gauss-Legendre). When None, captum's 50, and up to eight times as many for the images
        whose sum does not close with them.
    bs: images at a time, all their points together counted.
    The sum of an image's values is the difference of its score to the baseline's: where more than `GAP` of that is
    missing, one warning says it.

    Examples:
        >>> import torch
        >>> model, images = create_model("tiny_cnn", n_in=1).eval(), torch.rand(2, 1, 32, 32)
        >>> parts = integrated_gradients(model, images, targets=3)
        >>> gained = model(images)[:, 3] - model(torch.zeros_like(images))[:, 3]
        >>> bool(torch.allclose(parts.sum((1, 2, 3)), gained, atol=0.05))
        True
    """
    attribute = _captum("integrated_gradients").IntegratedGradients
    with _asked(model, images, targets, score) as (_, inputs, forward, codes):
        begin = _baselines(baseline, inputs)
        rows, found = torch.arange(len(inputs[0])), [torch.zeros_like(values, dtype=torch.float32) for values in inputs]
        for steps in (n_steps,) if n_steps else STEPS:
            here, there = ([values[rows] for values in part] for part in (inputs, begin))
            those = codes[rows] if isinstance(codes, Tensor) and len(codes) == len(inputs[0]) else codes
            part, gap = attribute(forward).attribute(
                tuple(here),
                tuple(there),
                additional_forward_args=(those,),
                n_steps=steps,
                internal_batch_size=max(bs, len(rows)) if steps > 1 else None,
                return_convergence_delta=True,
            )
            for whole, values in zip(found, part, strict=True):
                whole[rows] = values.detach().float()
            missing = _missing(gap, forward, here, there, those)
            if not len(rows := rows[(missing > GAP).cpu()]):
                break
        _warn_of_gap("integrated_gradients", missing, len(inputs[0]), "more n_steps close it")
    return as_given(found, images)


@checked
def smoothgrad(
    model: nn.Module,
    images: Images,
    targets: Targets = None,
    score: Score = class_scores,
    noise: NotNegative = 0.15,
    n_samples: AtLeastOne = 25,
    bs: AtLeastOne = 32,
    seed: Seed = 0,
) -> Any:
    """SmoothGrad (Smilkov et al. 2017), by captum: the magnitude of the gradient's mean over noisy copies, [B,C,H,W].

    model, images, targets, score: as in `saliency_map`; the predicted classes are those of the images without noise.
    noise: its standard deviation as a share of the range of values of the images of the batch; n_samples: copies.
    bs: images at a time; seed: of the noise, apart from the process's.

    Examples:
        >>> import torch
        >>> model, images = create_model("tiny_cnn", n_in=1), torch.rand(2, 1, 32, 32)
        >>> smoothgrad(model, images, targets=3, n_samples=5).shape
        torch.Size([2, 1, 32, 32])
    """
    captum = _captum("smoothgrad")
    with _asked(model, images, targets, score) as (_, inputs, forward, codes), kept_random_state():
        seed_position(seed)
        found = captum.NoiseTunnel(captum.Saliency(forward)).attribute(
            inputs,
            nt_type="smoothgrad",
            nt_samples=n_samples,
            nt_samples_batch_size=max(1, bs // len(inputs[0])),
            stdevs=tuple(noise * float(values.amax() - values.amin()) for values in inputs),
            abs=False,
            additional_forward_args=(codes,),
        )
    return as_given([one.detach().abs().float() for one in found], images)


def deeplift(
    model: nn.Module,
    images: Images,
    targets: Targets = None,
    score: Score = class_scores,
    baseline: Baseline = 0.0,
) -> Any:
    """DeepLIFT's rescale rule (Shrikumar et al. 2017), by captum: what each value adds to the score, [B,C,H,W], signed.

    model, images, targets, score, baseline: as in `integrated_gradients`, and the sum is warned of in the same way; it
        has rules for ReLU and its kin, sigmoid, tanh, softmax and max pooling, and takes all else as linear.
    ModelError where activations that are shared, or are functions, cannot be given modules of their own.

    Examples:
        >>> import torch
        >>> model, images = create_model("tiny_cnn", n_in=1).eval(), torch.rand(2, 1, 32, 32)
        >>> parts = deeplift(model, images, targets=3)
        >>> gained = model(images)[:, 3] - model(torch.zeros_like(images))[:, 3]
        >>> bool(torch.allclose(parts.sum((1, 2, 3)), gained, atol=0.05))
        True
    """
    captum = _captum("deeplift")
    with _asked(model, images, targets, score) as (used, inputs, _, codes):
        apart = _Scored(with_own_activations(used), score, images)
        begin = _baselines(baseline, inputs)
        with warnings.catch_warnings():
            warnings.filterwarnings("ignore", message="Setting forward, backward hooks")  # they are taken off again
            found, gap = captum.DeepLift(apart).attribute(
                tuple(one.requires_grad_() for one in inputs),
                begin,
                additional_forward_args=(codes,),
                return_convergence_delta=True,
            )
        missing = _missing(gap, apart, inputs, begin, codes)
        _warn_of_gap("deeplift", missing, len(missing), "the model has operations without a rule")
    return as_given([one.detach().float() for one in found], images)


class _Scored(nn.Module):
    """A model and a score as one module, as captum hooks into it: inputs and targets to [B]."""

    def __init__(self, model: nn.Module, score: Score, images: Images) -> None:
        super().__init__()
        self.model, self.score, self.images = model, score, images

    def forward(self, *values: Tensor) -> Tensor:
        *inputs, targets = values
        return scored(self.model, self.score, tuple(inputs), self.images, targets)


@contextmanager
def _asked(model: nn.Module, images: Images, targets: Targets, score: Score) -> Iterator[tuple]:
    """The model, its inputs, the function that captum attributes, and targets, one for each image."""
    with explained(model) as used:
        inputs = prepared(used, images)
        yield used, inputs, _Scored(used, score, images), _fixed(used, inputs, images, targets, score)


def _fixed(model: nn.Module, inputs: tuple[Tensor, ...], images: Images, targets: Any, score: Score) -> Any:
    """Targets [B], which stay the same at every point of a path: the predicted classes where none are given."""
    with torch.no_grad():
        scored(model, score, inputs, images, targets)  # refuses what is no target
        copies = (values.clone() for values in inputs)  # a first layer may work in place
        return class_indices(targets, model(*copies)) if score is class_scores else targets


def _baselines(baseline: Baseline, inputs: tuple[Tensor, ...]) -> tuple[Tensor, ...]:
    """Where the path of each input begins; DataError where that has another shape."""
    given = list(baseline) if isinstance(baseline, (list, tuple)) else [baseline] * len(inputs)
    if len(given) != len(inputs):
        raise DataError(f"baseline: {len(given)} for {len(inputs)} inputs; one for each is needed")
    found = []
    for one, values in zip(given, inputs, strict=True):
        try:
            found.append(torch.as_tensor(one).to(values).expand_as(values))
        except (RuntimeError, TypeError, ValueError) as error:
            raise DataError(
                f"baseline: {error}; a number is needed, or a tensor that fits images of {list(values.shape)}"
            ) from error
    return tuple(found)


def _missing(gap: Tensor, forward: Callable, inputs: Sequence[Tensor], begin: Sequence[Tensor], codes: Any) -> Tensor:
    """By how much of the difference of the scores the sums of attributions miss it [B]."""
    with torch.no_grad():
        difference = (forward(*inputs, codes) - forward(*begin, codes)).abs()
    return gap.abs() / difference.clamp_min(torch.finfo(torch.float32).tiny)


def _warn_of_gap(name: str, missing: Tensor, n: int, advice: str) -> None:
    """One warning where attributions miss the difference of the scores by more than `GAP` of it.

    n: of images; advice: what closes the gap.
    """
    if len(far := missing[missing > GAP]):
        warn(
            f"{name}: {len(far)} of {n} attributions do not add up to the difference of the score, of which "
            f"{float(far.median()):.0%} is missing or too much (median); {advice}"
        )


def _captum(what: str) -> ModuleType:
    return optional("captum.attr", "explain", what)
