"""`make_saliency_pairs`: pairs of maps from any trained classifier, in the format that `saliency_dls` reads."""

from pathlib import Path
from typing import Literal

import torch
from torch import Tensor

from learnerkit._fastai import DataLoaders, Learner
from learnerkit.core.errors import DataError, ModelError
from learnerkit.core.files import PathLike
from learnerkit.core.ranges import AtLeastOne, checked
from learnerkit.explain.cam import gradcam
from learnerkit.explain.gradients import saliency_map
from learnerkit.explain.layers import PLACES
from learnerkit.fuse.model import Fused


@checked
def make_saliency_pairs(
    learn: Learner,
    dls: DataLoaders,
    path: PathLike,
    layer: Literal["early", "middle", "late", "all"] = "late",
    channels: AtLeastOne = 3,
    bs: AtLeastOne = 64,
) -> Path:
    """Write, for each labelled image, its input-gradient saliency and its Grad-CAM as one .pt file.

    learn: a trained classifier of images.
    dls: the images; those of all parts are taken.
    path: the folder, made when missing; files go to path/{layer}_layers/CLASS/NAME.pt.
    layer: 'early', 'middle' or 'late' of the network for Grad-CAM, or 'all' for a file of each.
    channels: of the maps; one-channel maps are repeated.
    bs: images at a time.
    Maps are for the predicted class, float32 [channels,H,W]; a file also holds class_id, class_name and image_id.

    Examples:
        >>> import torch
        >>> dls = array_dls(torch.randint(0, 256, (40, 16, 16)), torch.arange(40) % 2, bs=8)
        >>> learn = image_learner(dls, "tiny_cnn")
        >>> folder = make_saliency_pairs(learn, dls, "pairs")
        >>> sorted(path.parent.name for path in folder.rglob("*.pt"))[::20]
        ['0', '1']
    """
    if isinstance(learn.model, Fused):
        raise ModelError("make_saliency_pairs: takes a classifier of images, and this learner takes pairs of maps")
    folder, source = Path(path), dls.source
    model = learn.model.eval()
    device = next(model.parameters()).device
    for start in range(0, len(source), bs):
        rows = list(range(start, min(start + bs, len(source))))
        images = dls.test_dl(rows, bs=bs).one_batch()[0].as_subclass(Tensor).to(device)
        saliency = saliency_map(model, images)
        for place in PLACES if layer == "all" else (layer,):
            attention = gradcam(model, images, layer=place)
            for row, first, second in zip(rows, saliency.cpu(), attention.cpu(), strict=True):
                name = str(source.vocab[int(source.labels[row])])
                target = folder / f"{place}_layers" / _plain(name) / f"{row:06d}_{_plain(source.ids[row])}.pt"
                target.parent.mkdir(parents=True, exist_ok=True)
                content = {
                    "saliency_maps": _wide(first, channels),
                    "cross_attention_maps": _wide(second, channels),
                    "class_id": int(source.labels[row]),
                    "class_name": name,
                    "image_id": source.ids[row],
                }
                torch.save(content, target)
    return folder


def _wide(values: Tensor, channels: int) -> Tensor:
    if values.shape[0] not in (1, channels):
        raise DataError(f"maps of {values.shape[0]} channels cannot be brought to {channels}")
    return values.expand(channels, -1, -1).contiguous().clone()


def _plain(name: str) -> str:
    """A name that is one file name."""
    return "".join(letter if letter.isalnum() or letter in "-_" else "_" for letter in name)
