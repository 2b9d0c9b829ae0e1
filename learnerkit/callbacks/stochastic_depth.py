"""Set a model's stochastic depth for a fit."""

from fastai.callback.core import Callback
from torchvision.ops import StochasticDepth as DropBranch

from learnerkit.core.errors import ModelError
from learnerkit.core.ranges import ShareBelowOne, checked
from learnerkit.ops.depth import linear_rates


class StochasticDepth(Callback):
    """Drop residual branches in training, at rates rising linearly to `p` (Huang et al. 2016); restored after the fit.

    p: drop probability of the last block, 0 to 1.
    Works on models whose blocks hold torchvision's `ops.StochasticDepth`: resnet18, resnet34, se_resnet, hybrid_resnet,
    wrn_D_K. ModelError on others.

    Examples:
        >>> class Show(Callback):
        ...     def before_train(self):
        ...         print([round(block.p, 2) for block, _ in self.learn.stochastic_depth.kept])
        >>> learn = image_learner(digits_dls(limit=64, size=16), "wrn_10_1", cbs=[StochasticDepth(0.3), Show()])
        >>> with learn.no_bar(), learn.no_logging():
        ...     learn.fit(1)
        [0.1, 0.2, 0.3]
    """

    order = -5

    @checked
    def __init__(self, p: ShareBelowOne = 0.2) -> None:
        self.p = p
        self.kept: list[tuple[DropBranch, float]] = []

    def before_fit(self) -> None:
        blocks = [module for module in self.learn.model.modules() if isinstance(module, DropBranch)]
        if not blocks:
            raise ModelError(
                "StochasticDepth: the model has no residual block that can be dropped; use a residual family"
            )
        self.kept = [(block, block.p) for block in blocks]
        for block, rate in zip(blocks, linear_rates(self.p, len(blocks)), strict=True):
            block.p = rate

    def after_fit(self) -> None:
        self.restore()  # in a learner of fastai's too, which asks for no `restore`

    def restore(self) -> None:
        """Give each block its own rate back."""
        for block, rate in self.kept:
            block.p = rate
        self.kept = []
