"""The loader of detection batches: frames of different sizes padded into one tensor, boxes drawn when shown."""

from typing import Any

import torch
from matplotlib import pyplot
from torch import Tensor

from learnerkit._fastai import L, OpenDL, to_device
from learnerkit.core.seed import seeded
from learnerkit.detect.boxes import stack_rows
from learnerkit.detect.data.transforms import BoxTargets, TensorFrame
from learnerkit.detect.draw import channel_pictures, with_packed
from learnerkit.pages.figure import NamedFigure
from learnerkit.pages.letters import plain_text

SIDE = 3.4  # inches of a picture's width
SHOWN_FROM = 0.3  # least score of a detection that is drawn


class DetectionDL(OpenDL):
    """A fastai TfmdDL whose batches are (frames [B,C,H,W], sizes [B,2], boxes [B,M,5]).

    What the item transforms draw is a function of the pass and of the frame, so that workers change nothing.
    """

    n_inp = 2
    pass_seed = 0
    modalities: tuple[str, ...] = ()

    def randomize(self) -> None:
        """Begin another pass: another order, other draws."""
        super().randomize()
        self.pass_seed = self.rng.getrandbits(62)

    def do_item(self, s: Any) -> Any:
        """One item, its transforms drawing by pass and item."""
        if not isinstance(s, int):
            return super().do_item(s)
        with seeded(self.pass_seed, s):
            return super().do_item(s)

    def do_batch(self, b: list) -> tuple:
        """Items as a batch of padded tensors."""
        frames = [item[0] for item in b]
        sizes = torch.tensor([frame.shape[1:] for frame in frames])
        height, width = sizes.amax(dim=0).tolist()
        padded = frames[0].new_zeros((len(frames), len(frames[0]), height, width))
        for place, frame in zip(padded, frames, strict=True):
            place[:, : frame.shape[1], : frame.shape[2]] = frame
        batch = padded.as_subclass(TensorFrame), sizes
        if len(b[0]) == 1:
            return batch
        return *batch, stack_rows([item[1].as_subclass(Tensor) for item in b]).as_subclass(BoxTargets)

    def sample_batch(self) -> tuple:
        """A batch of one frame, as the model would see it."""
        return self.after_batch(to_device(self.do_batch([self.do_item(0)]), self.device))

    # decoding and showing

    def shown_batch(self, unique: bool, n: int) -> tuple:
        """The batch that `show_batch` draws; the first frame `n` times, each with a draw of its own, if `unique`."""
        if not unique:
            return self.one_batch()
        self.before_iter()
        items = []
        for _ in range(n):
            self.randomize()
            items.append(self.do_item(0))
        return self.after_batch(to_device(self.do_batch(items), self.device))

    def decode_batch(self, b: tuple, max_n: int = 9, full: bool = True) -> L:
        """Frames [C,H,W] in 0..1 without their padding and, where the batch has them, boxes and classes [n,5] of each.

        b: a batch; max_n: how many; full: for fastai's sake.
        """
        frames, sizes, *rest = self.decode(b)
        samples = []
        for number, (height, width) in enumerate(sizes[:max_n].tolist()):
            boxes = (rows[number][rows[number][:, 4] >= 0] for rows in rest)
            samples.append((frames[number, :, :height, :width], *boxes))
        return L(samples)

    def decoded_batch(self, b: tuple, max_n: int) -> tuple:
        """What `show_batch` gives with `show=False`: frames and sizes, boxes, and the samples of both."""
        frames, sizes, *boxes = self.decode(b)
        return (frames, sizes), *(boxes or [()]), self.decode_batch(b, max_n)

    def show_batch(
        self,
        b: Any = None,
        max_n: int = 4,
        ctxs: Any = None,
        show: bool = True,
        unique: bool = False,
        **kwargs: Any,
    ) -> Any:
        """Draw each frame's colours with its boxes and, beside them, each further channel.

        b: a batch; one is cut when None. max_n: how many frames. show: whether to draw them, or return what would be
        shown. unique: one frame again and again, as it is augmented. ctxs, kwargs: for fastai's sake.
        """
        b = self.shown_batch(unique, max_n) if b is None else b
        if not show:
            return self.decoded_batch(b, max_n)
        rows = []
        for frame, *boxes in self.decode_batch(b, max_n):
            colours, *others = self.pictures(frame)
            drawn = with_packed(colours, *boxes, self.vocab) if boxes else colours
            rows.append([drawn, *others])
        names = ["boxes", *(self.modalities or (f"channel {number}" for number in range(3, 2 + len(rows[0]))))]
        return panels(rows, names)

    def show_results(self, b: Any, out: Any, max_n: int = 4, ctxs: Any = None, show: bool = True, **kwargs: Any) -> Any:
        """Draw the true boxes and, beside them, the predicted ones with their scores.

        b: a batch; out: detections [B,D,6]. max_n: how many frames. show: whether to draw them, or return what would be
        shown, the detections last. ctxs, kwargs: for fastai's sake.
        """
        out = out[0] if isinstance(out, tuple) else out  # as fastai's Interpretation gives them
        found = [rows.as_subclass(Tensor).cpu() for rows in out][:max_n]
        if not show:
            return *self.decoded_batch(b, max_n), L(rows[rows[:, 4] >= 0] for rows in found)
        rows = []
        for (frame, truth), said in zip(self.decode_batch(b, max_n), found, strict=True):
            colours, said = self.pictures(frame)[0], said[(said[:, 4] >= 0) & (said[:, 5] >= SHOWN_FROM)]
            rows.append([with_packed(colours, boxes, self.vocab) for boxes in (truth, said)])
        return panels(rows, ["truth", "predicted (score .3 and more)"])

    def pictures(self, frame: Tensor) -> list[Tensor]:
        """The pictures of a decoded frame: colours, then each further channel."""
        return channel_pictures(frame.as_subclass(Tensor), 3 if len(frame) >= 3 else 1)


def panels(rows: list[list[Tensor]], names: list[str]) -> Any:
    """Pictures in a grid, a row a frame, as high as it is."""
    heights = [SIDE * min(2.0, line[0].shape[1] / line[0].shape[2]) for line in rows]
    look = {"figsize": (SIDE * len(names), sum(heights) + 0.3), "layout": "constrained", "FigureClass": NamedFigure}
    _, axes = pyplot.subplots(len(rows), len(names), squeeze=False, height_ratios=heights, **look)
    for panel in axes.ravel():
        panel.set_axis_off()
    for line, pictures in zip(axes, rows, strict=True):
        for panel, picture in zip(line, pictures, strict=True):
            panel.imshow(picture.permute(1, 2, 0).numpy())
    for panel, name in zip(axes[0], names, strict=True):
        panel.set_title(plain_text(name), fontsize=9)
    return axes
