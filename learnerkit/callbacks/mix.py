"""CutMix and MixUp for one or several input tensors, any loss that takes logits, and hard or soft targets."""

import torch
from fastai.callback.core import Callback

from learnerkit.core.errors import RecipeError
from learnerkit.core.ranges import Positive, Share, checked
from learnerkit.ops.mix import beta_sample, blend, cutmix_box, kept_area, paste


class Mixer(Callback):
    """Mix each batch with a shuffled copy of itself; the loss is mixed in the same parts.

    p: probability that a batch is mixed.
    alpha: of the Beta(alpha, alpha) from which the part is drawn.
    """

    order, run_valid = 5, False

    def __init__(self, *bare: float, p: float, alpha: float) -> None:
        kind = type(self).__name__
        if bare:
            raise RecipeError(
                f"{kind}({', '.join(map(str, bare))}): say what the number is: {kind}(p={bare[0]}) for the probability "
                f"that a batch is mixed, {kind}(alpha={bare[0]}) for the Beta distribution's, as fastai means it"
            )
        self.p, self.alpha = p, alpha
        self.lam = 1.0
        self.partners: list[int] = []  # with which sample of the batch each one is mixed

    def mix(self, inputs: list[torch.Tensor], others: list[torch.Tensor], lam: float) -> tuple[list, float]:
        """The mixed inputs, and the part of the original really kept."""
        raise NotImplementedError

    def before_batch(self) -> None:
        learn = self.learn
        self.lam = 1.0
        if torch.rand(()).item() >= self.p or self._mixed_already():
            return
        images = [part for part in learn.xb if part.ndim >= 3]
        order = torch.randperm(len(images[0]))
        self.partners = order.tolist()
        on_device = order.to(images[0].device, non_blocking=True)
        mixed, self.lam = self.mix(images, [part[on_device] for part in images], beta_sample(self.alpha))
        fresh = iter(mixed)
        learn.xb = tuple(next(fresh) if part.ndim >= 3 else part for part in learn.xb)
        self.other_targets = [target[on_device] for target in learn.yb]

    def _mixed_already(self) -> bool:
        """Whether a callback before this one mixed the batch: CutMix and MixUp take turns, never both."""
        mixers = [cb for cb in self.learn.cbs if isinstance(cb, Mixer)]
        return any(cb.lam != 1.0 for cb in mixers[: mixers.index(self)])

    def after_loss(self) -> None:
        if self.lam == 1.0:
            return
        learn = self.learn
        other = learn.loss_func(learn.pred, *self.other_targets)
        learn.loss_grad = self.lam * learn.loss_grad + (1 - self.lam) * other
        learn.loss = learn.loss_grad.detach().clone()


class CutMix(Mixer):
    """Paste a box of another image (Yun et al. 2019); lambda is the area really kept.

    p: probability that a batch is mixed.
    alpha: of the Beta(alpha, alpha) from which the box's area is drawn.

    Examples:
        >>> learn = image_learner(digits_dls(bs=32, limit=64), "tiny_cnn", cbs=CutMix(p=1.0, alpha=1.0))
        >>> with learn.no_bar(), learn.no_logging():
        ...     learn.fit_one_cycle(1, 0.05)
        >>> 0 <= learn.cut_mix.lam <= 1
        True
    """

    @checked
    def __init__(self, *bare: float, p: Share = 0.7, alpha: Positive = 1.0) -> None:
        super().__init__(*bare, p=p, alpha=alpha)

    def mix(self, inputs: list[torch.Tensor], others: list[torch.Tensor], lam: float) -> tuple[list, float]:
        height, width = inputs[0].shape[-2:]
        y, x = torch.randint(0, height, ()).item(), torch.randint(0, width, ()).item()
        box = cutmix_box(lam, height, width, y, x)
        return [paste(a, b, box) for a, b in zip(inputs, others, strict=True)], kept_area(box, height, width)


class MixUp(Mixer):
    """Blend with another image (Zhang et al. 2018).

    p: probability that a batch is mixed.
    alpha: of the Beta(alpha, alpha) from which the blend is drawn.

    Examples:
        >>> learn = image_learner(digits_dls(bs=32, limit=64), "tiny_cnn", cbs=MixUp(p=1.0, alpha=0.4))
        >>> with learn.no_bar(), learn.no_logging():
        ...     learn.fit_one_cycle(1, 0.05)
        >>> 0 <= learn.mix_up.lam <= 1
        True
    """

    @checked
    def __init__(self, *bare: float, p: Share = 1.0, alpha: Positive = 0.4) -> None:
        super().__init__(*bare, p=p, alpha=alpha)

    def mix(self, inputs: list[torch.Tensor], others: list[torch.Tensor], lam: float) -> tuple[list, float]:
        return [blend(a, b, lam) for a, b in zip(inputs, others, strict=True)], lam
