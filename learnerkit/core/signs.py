"""Signs that a training is bad: pure functions of plain numbers, each with its thresholds and the reason for them.

Each gives a `Sign` with the figures that it rests on and the first thing to try, or None. What a task alone knows has
its signs in the task's own room.
"""

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from learnerkit.core.text import some

STEPS = 100  # before which a loss at chance or one predicted class says nothing: rates are still warming up
CHANCE = 0.99  # of the loss of guessing: labels of noise are learnt by heart and bring a loss 1 % below it, no more
ALMOST_ALL = 0.98  # of the samples in one class: a collapsed network leaves some stray ones
BEYOND = 0.1  # by which that share exceeds the class's own: where a class has 97 % of the samples it is no fault
LEAST_SAMPLES = 20  # of which a share is told
DEAD = 0.9  # of a layer's channels: decay prunes half of a wide one, but at nine tenths little passes through
GAP = 0.2  # between the accuracies of train and valid: an augmented training shows less, often a negative one
SURE = 3  # standard errors of an accuracy that a difference has to exceed
KNOWN = 0.6  # training accuracy from which a valid part at chance is no matter of time
LOSSES_APART = 2.0  # valid loss over train loss, where there are no accuracies
SINCE_BEST = 3  # epochs without a better valid loss: noise of an epoch or two is no trend
FIRST, LATEST = 5, 20  # batches whose losses are the start; the fewest of which a rise is told
FEW, TIMES = 8, 10.0  # batches, and times its start: so few show a rise that no warm-up has
RISE = 1.5  # of the loss over its start: a warm-up's peak stays below it
EXPLOSION = 100.0  # of the gradient's norm over its start, with a loss that is not below its start
TRIPS = 3  # batches that the guard passed over: one or two overflow in any training
WIDE = 1.7  # deviation of normalised inputs, about 1: normalised twice it is 1 / std, at least 2
BYTES = 20.0  # greatest value of inputs that are no floats in 0..1
SUMS_TO_1 = 1e-3  # of the sum of probabilities, in bf16 too
TENTH = "a tenth of the rate (--lr), or what learn.lr_find() says; --clip 1 holds single steps"
SAMPLED = 4  # steps at which a gradient was 0 throughout: a dropped branch or a first step has it once


@dataclass(frozen=True)
class Sign:
    """One sign of a bad training.

    sign: its name; text: the evidence; remedy: the first thing to try; level: the greater the worse.
    lasting: whether one epoch says little, so that it is told in the second of a row, or in the last one.
    """

    sign: str
    text: str
    remedy: str
    level: float = 1.0
    lasting: bool = False


def loss_at_chance(loss: float, chance: float, classes: int, steps: int) -> Sign | None:
    """A training loss that is not below that of guessing.

    loss: mean of the latest batches; chance: of equal logits, ln K of a cross entropy, with smoothing and mixing too.
    """
    if steps < STEPS or loss < CHANCE * chance:
        return None
    text = f"after {steps} steps the training loss is {loss:.3f}; guessing among {classes} classes gives {chance:.3f}"
    remedy = "`learnerkit check` tells whether one batch can be learnt; learn.lr_find() whether the rate is too low"
    return Sign("loss_at_chance", text, TENTH if loss > RISE * chance else remedy, loss / chance)


def one_class_predicted(
    predicted: Sequence[int], truth: Sequence[int], names: Sequence[str], steps: int
) -> Sign | None:
    """Nearly all of the valid part predicted as one class. predicted, truth: numbers of samples a class."""
    n = sum(predicted)
    if n < LEAST_SAMPLES or steps < STEPS:
        return None
    most = max(range(len(predicted)), key=predicted.__getitem__)
    share, own = predicted[most] / n, truth[most] / n
    if share < ALMOST_ALL or share - own < BEYOND:
        return None
    text = f"{predicted[most]} of {n} valid samples are predicted as {names[most]}, whose own are {truth[most]}"
    return Sign("one_class_predicted", text, "a tenth of the rate (--lr), and look at the labels", share, lasting=True)


def one_class_trained(lowest: int, highest: int, n: int, batches: int, names: Sequence[str]) -> Sign | None:
    """All looked-at training targets of one class. lowest, highest: their least and greatest class number."""
    if lowest != highest or n < LEAST_SAMPLES or batches < SAMPLED or len(names) < 2:
        return None
    text = f"all {n} training targets of {batches} batches are {names[lowest]}, one of {len(names)} classes"
    return Sign("one_class_trained", text, "look at how labels are read: `learnerkit doctor DATA`, dls.show_batch()")


def dead_units(layers: Mapping[str, tuple[int, int]]) -> Sign | None:
    """Channels that are 0 on all looked-at validation samples. layers: name to how many, and of how many."""
    shares = {name: dead / channels for name, (dead, channels) in layers.items() if channels}
    found = {name: share for name, share in shares.items() if share >= DEAD}
    if not found:
        return None
    worst = max(found, key=found.__getitem__)
    text = f"{layers[worst][0]} of {layers[worst][1]} channels after {worst} are 0 on every valid sample looked at"
    text += f", and {len(found) - 1} more layer(s) like it" if len(found) > 1 else ""
    return Sign("dead_units", text, "a tenth of the rate (--lr), or a longer warm-up", len(found), lasting=True)


def apart(train: float, valid: float, n: int, classes: int) -> Sign | None:
    """A training accuracy far above that of the valid part, of n samples."""
    error = SURE * math.sqrt(max(valid * (1 - valid), 0.25 / n) / n)
    if n < LEAST_SAMPLES or train - valid < GAP + error:
        return None
    figures = f"training accuracy {train:.1%}, valid accuracy {valid:.1%} of {n} samples"
    chance = 1 / classes
    if train >= KNOWN and valid <= chance + SURE * math.sqrt(chance * (1 - chance) / n):
        text = f"{figures}, which is no more than guessing ({chance:.1%})"
        remedy = "look whether both parts have the same classes in the same order, and labels of the right rows"
        return Sign("valid_at_chance", text, remedy, lasting=True)
    remedy = "more augmentation (--randaugment 2,9), more decay (--wd), fewer epochs or --early-stop"
    return Sign("overfit", f"{figures}: it overfits", remedy, train - valid, lasting=True)


def losses_apart(train: float, valid: Sequence[float]) -> Sign | None:
    """A valid loss far above that of training, and rising. valid: of every epoch so far."""
    if len(valid) <= SINCE_BEST or train <= 0 or valid[-1] < LOSSES_APART * train:
        return None
    since = len(valid) - 1 - min(range(len(valid)), key=valid.__getitem__)
    if since < SINCE_BEST:
        return None
    text = f"training loss {train:.3f}, valid loss {valid[-1]:.3f}, its best {since} epochs ago: it overfits"
    return Sign(
        "overfit", text, "more augmentation, more decay (--wd), fewer epochs or --early-stop", valid[-1] / train
    )


def rate_too_high(
    losses: Sequence[float], norms: Sequence[float], chance: float | None, batches: int, ended: bool = False
) -> Sign | None:
    """A loss that has risen above its start, or a gradient that explodes.

    losses: of all training batches; norms: of the gradient at the steps looked at; chance: the loss of guessing.
    batches: of this epoch, whose worst stretch of `LATEST` counts by its median, so that one batch is no rise.
    ended: whether the guard has stopped the training, where a rise is told however few batches there were.
    """
    finite = [loss for loss in losses if math.isfinite(loss)]
    if not ended and FEW <= len(finite) < FIRST + LATEST:
        return _grown(finite, chance)
    if len(finite) < (2 if ended else FIRST + LATEST):
        return None
    if ended:  # each step counts
        start, late = finite[0], max(finite[1:])
    else:
        ends = range(len(finite), max(len(finite) - batches, FIRST + LATEST - 1), -LATEST)
        stretches = [finite[end - LATEST : end] for end in ends] or [finite[-LATEST:]]
        start, late = _middle(finite[:FIRST]), max(map(_middle, stretches))
    known = [norm for norm in norms if math.isfinite(norm) and norm > 0]
    grown = known[-1] / known[0] if len(known) > 1 else 1.0
    rose = late > RISE * abs(start) and (chance is None or late > chance)
    if not rose and not (grown > EXPLOSION and _middle(finite[-LATEST:]) >= start):
        return None
    text = f"the loss was {start:.3g} at the start and rose to {late:.3g} within {len(finite)} batches"
    text += f", the gradient's norm grew {grown:.3g} times" if grown > RISE else ""
    text += "; then it was not finite" if ended else ""
    return Sign("rate_too_high", text, TENTH, late / max(abs(start), 1e-12))


def _grown(losses: Sequence[float], chance: float | None) -> Sign | None:
    """A loss that few batches have multiplied, by the middle of their second half."""
    start, late = losses[0], _middle(losses[len(losses) // 2 :])
    if late <= TIMES * abs(start) or (chance is not None and late <= TIMES * chance):
        return None
    text = f"the loss was {start:.3g} at the start and rose to {late:.3g} within {len(losses)} batches"
    return Sign("rate_too_high", text, TENTH, late / max(abs(start), 1e-12))


def _middle(values: Sequence[float]) -> float:
    return sorted(values)[len(values) // 2]


def guard_trips(skipped: int, batches: int) -> Sign | None:
    """Batches that the guard passed over since the fit began, of so many."""
    if skipped < TRIPS:
        return None
    return Sign("guard_trips", f"the guard passed over {skipped} of {batches} batches", TENTH, skipped)


def normalisation(mean: float, std: float, lowest: float, highest: float, stats: tuple | None) -> Sign | None:
    """Inputs that were normalised twice, or not at all, by what the model is given.

    mean, std, lowest, highest: of the first batches; stats: mean and std a channel by which the set is normalised, None
    where it says none.
    """
    seen = f"inputs have the mean {mean:.2f} and the deviation {std:.2f}, from {lowest:.2f} to {highest:.2f}"
    if lowest >= 0 and highest > BYTES:
        return Sign("not_normalised", f"{seen}: pixels are given as they are stored", "divide by 255 and normalise")
    if stats is None:
        return None
    means, stds = stats
    if lowest >= 0 and std < 1:
        text = f"{seen}; normalised by the set's figures they are about 0 and 1: they are not normalised"
        return Sign("not_normalised", text, "look at the batch transforms: dls.train.after_batch")
    if std > WIDE:
        once = sum(stds) / len(stds)
        twice = -sum(a / b for a, b in zip(means, stds, strict=True)) / len(means)
        text = f"{seen}; about 0 and 1 are due, and normalised twice they are {twice:.2f} and {1 / once:.2f}"
        return Sign("normalised_twice", text, "leave one of the two out: dls.train.after_batch, or the model's own")
    return None


def loss_of_probabilities(lowest: float, off: float, moved: float) -> Sign | None:
    """A loss of logits that is given probabilities.

    lowest: the least output; off: how far the outputs of a sample are from a sum of 1, at most; moved: how much the
    loss changes when 1 is added to all outputs, which a loss of logits does not feel.
    """
    if not (lowest >= 0 and off <= SUMS_TO_1 and moved <= SUMS_TO_1):  # nan is none of it
        return None
    text = (
        f"the model's outputs are never below {lowest:.2g} and sum to 1, and the loss makes probabilities of them again"
    )
    return Sign("loss_of_probabilities", text, "leave out the softmax at the end of the model: the loss takes logits")


def frozen(silent: Sequence[str], outside: Sequence[str], head: Sequence[str], steps: int) -> Sign | None:
    """Parameters that should train and do not.

    silent: that had no gradient, or one of 0, at all steps looked at; outside: that no optimizer steps; head: those of
    the last layer that are set not to train; steps: how many were looked at.
    """
    if steps < SAMPLED:
        return None
    parts = [f"{some(head, 2)} of the last layer is set not to train"] if head else []
    parts += [f"{some(outside, 2)} is not in the optimizer"] if outside else []
    parts += [f"{some(silent, 2)} had no gradient at {steps} steps"] if silent else []
    remedy = "learn.unfreeze(); look for requires_grad, detach() and no_grad in the model, and at the splitter"
    return Sign("frozen", "; ".join(parts), remedy, len(silent) + len(outside) + len(head)) if parts else None
