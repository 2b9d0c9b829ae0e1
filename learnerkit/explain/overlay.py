"""A map laid over its image."""

import numpy as np
import torch
from matplotlib import colormaps
from torch import Tensor

from learnerkit.core.errors import DataError
from learnerkit.core.ranges import Positive, Share, checked

COLOURS = "inferno"  # of a map; dark where it says nothing, and even in lightness


@checked
def overlay(
    image: Tensor | np.ndarray, map: Tensor | np.ndarray, alpha: Share = 0.55, greatest: Positive | None = None
) -> np.ndarray:
    """A map laid over its image, at the image's own size: uint8 [H,W,3].

    image: [C,H,W] of one or three channels, uint8 or 0 to 1 in floats.
    map: [h,w] or [1,h,w] of any size, enlarged bilinearly; or [C,h,w], whose magnitudes are summed. Its magnitude is
        shown.
    alpha: how much of the map is seen where it is greatest, 0 to 1; where it is 0 the image is seen dimmed.
    greatest: the value that is brightest, for maps that share a scale; the map's own greatest when None.

    Examples:
        >>> import torch
        >>> model, images = create_model("simple_cnn", n_in=1), torch.rand(2, 1, 32, 32)
        >>> picture = overlay(images[0], gradcam(model, images)[0])
        >>> picture.shape, picture.dtype
        ((32, 32, 3), dtype('uint8'))
    """
    picture, values = _picture(_plain(image)), _plain(map).float()
    if values.ndim not in (2, 3):
        raise DataError(f"map: of shape {list(values.shape)}; [h,w] or [C,h,w] is needed, the map of one image")
    values = values.abs() if values.ndim == 2 else values.abs().sum(dim=0)
    enlarged = torch.nn.functional.interpolate(values[None, None], picture.shape[:2], mode="bilinear")[0, 0].numpy()
    heat = (enlarged / max(greatest or float(enlarged.max()), 1e-12)).clip(0, 1)
    colours = colormaps[COLOURS](heat)[..., :3]
    return (255 * ((1 - alpha) * picture + alpha * colours)).round().astype(np.uint8)


def _plain(values: Tensor | np.ndarray) -> Tensor:
    """A tensor on the CPU, apart from any graph."""
    tensor = values.as_subclass(Tensor) if isinstance(values, Tensor) else torch.as_tensor(np.asarray(values))
    return tensor.detach().cpu()


def _picture(image: Tensor) -> np.ndarray:
    """An image as floats 0 to 1 [H,W,3]; DataError where it is none."""
    if image.ndim != 3 or image.shape[0] not in (1, 3):
        raise DataError(f"image: of shape {list(image.shape)}; [C,H,W] of one or three channels is needed")
    values = image.float() / 255 if image.dtype == torch.uint8 else image.float()
    if not values.isfinite().all() or values.min() < -1e-3 or values.max() > 1 + 1e-3:
        raise DataError(
            f"image: values of {float(values.min()):.3g} to {float(values.max()):.3g}; 0 to 1 is needed, or uint8: "
            "undo the normalisation, as dls.decode does"
        )
    return values.clamp(0, 1).expand(3, -1, -1).permute(1, 2, 0).numpy()
