"""The loader of detection batches: frames of different sizes padded into one tensor, boxes drawn when shown."""

from typing import Any

import torch
from matplotlib import pyplot
from torch import Tensor

from learnerkit._fastai import OpenDL
from learnerkit.core.seed import seeded
from learnerkit.detect.boxes import scores_of, stack_rows, unpack_boxes
from learnerkit.detect.data.transforms import BoxTargets, TensorFrame
from learnerkit.detect.draw import channel_pictures, with_boxes
from learnerkit.pages.figure import NamedFigure
from learnerkit.pages.letters import plain_text


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
        return self.after_batch(self.do_batch([self.do_item(0)]))

    # showing

    def show_batch(self, b: Any = None, max_n: int = 4, ctxs: Any = None, show: bool = True, **kwargs: Any) -> Any:
        """Draw each frame's colours with its boxes and, beside them, each further channel.

        b: a batch; one is cut when None. max_n: how many frames. ctxs, show, kwargs: for fastai's sake.
        """
        b = self.one_batch() if b is None else b
        rows = []
        for number in range(min(max_n, len(b[0]))):
            colours, *others = self.pictures(b, number)
            boxes, codes = (
                unpack_boxes(b[2][number].as_subclass(Tensor).cpu()) if len(b) > 2 else (torch.zeros(0, 4), [])
            )
            texts = [self.vocab[int(code)] for code in codes]
            rows.append([with_boxes(colours, boxes, texts, "lime"), *others])
        names = ["boxes", *(self.modalities or (f"channel {number}" for number in range(3, 2 + len(rows[0]))))]
        return panels(rows, names)

    def show_results(self, b: Any, out: Any, max_n: int = 4, ctxs: Any = None, show: bool = True, **kwargs: Any) -> Any:
        """Draw the true boxes and, beside them, the predicted ones with their scores.

        b: a batch; out: detections [B,D,6]. max_n: how many frames. ctxs, show, kwargs: for fastai's sake.
        """
        rows = []
        for number in range(min(max_n, len(b[0]))):
            colours = self.pictures(b, number)[0]
            boxes, codes = unpack_boxes(b[2][number].as_subclass(Tensor).cpu())
            found = out[number].as_subclass(Tensor).cpu()
            found = found[(found[:, 4] >= 0) & (found[:, 5] >= 0.3)]
            texts = [
                f"{self.vocab[int(row[4])]} {score:.2f}" for row, score in zip(found, scores_of(found), strict=True)
            ]
            truth = with_boxes(colours, boxes, [self.vocab[int(code)] for code in codes], "lime")
            rows.append([truth, with_boxes(colours, found[:, :4], texts, "red")])
        return panels(rows, ["truth", "predicted (score .3 and more)"])

    def pictures(self, b: Any, number: int) -> list[Tensor]:
        """The pictures of one frame of a batch: colours, then each further channel."""
        height, width = b[1][number].tolist()
        frame = b[0][number].as_subclass(Tensor)[:, :height, :width].cpu()
        normalize = next((t for t in self.after_batch.fs if hasattr(t, "mean")), None)
        if normalize is not None:
            frame = frame * normalize.std[0].cpu() + normalize.mean[0].cpu()
        return channel_pictures(frame, 3 if len(frame) >= 3 else 1)


def panels(rows: list[list[Tensor]], names: list[str]) -> Any:
    """Pictures in a grid, a row a frame."""
    size = (4.2 * len(names), 3.3 * len(rows))
    _, axes = pyplot.subplots(len(rows), len(names), figsize=size, squeeze=False, FigureClass=NamedFigure)
    for panel in axes.ravel():
        panel.set_axis_off()
    for line, pictures in zip(axes, rows, strict=True):
        for panel, picture in zip(line, pictures, strict=True):
            panel.imshow(picture.permute(1, 2, 0).numpy())
    for panel, name in zip(axes[0], names, strict=True):
        panel.set_title(plain_text(name), fontsize=9)
    return axes
