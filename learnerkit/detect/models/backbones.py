"""Backbones under a feature pyramid: MiT in one or two streams, or any of timm's and torchvision's ResNets."""

from collections import OrderedDict

import torch
import torchvision
from torch import Tensor, nn
from torchvision.models.feature_extraction import create_feature_extractor
from torchvision.ops import FeaturePyramidNetwork
from torchvision.ops.feature_pyramid_network import LastLevelMaxPool

from learnerkit.core.errors import ModelError, check_keys, nearest
from learnerkit.core.optional import optional
from learnerkit.detect.models.mit import SIZES, MixTransformer
from learnerkit.detect.models.rgbx import DualStream
from learnerkit.models.first_layer import with_input_channels
from learnerkit.models.mode import in_mode

CHANNELS = 256  # of every map of the pyramid
STAGES = {"layer1": "0", "layer2": "1", "layer3": "2", "layer4": "3"}
STRIDES = (4, 8, 16, 32)
TRIED = (96, 160)  # height and width that a backbone of timm is tried on: multiples of 32, and of nothing else


class PyramidBackbone(nn.Module):
    """Four stages at strides 4 to 32 and the pyramid over them: [B,C,H,W] -> five maps of 256 channels, '0' to 'pool'.

    name, n_in, stochastic_depth, streams: see `create_detector`.
    """

    out_channels = CHANNELS

    def __init__(self, name: str, n_in: int = 3, stochastic_depth: float = 0.1, streams: int | None = None) -> None:
        super().__init__()
        self.body, widths = make_body(name, n_in, stochastic_depth, streams)
        self.body.n_in = n_in
        self.fpn = FeaturePyramidNetwork(widths, CHANNELS, LastLevelMaxPool())

    def forward(self, frames: Tensor) -> dict[str, Tensor]:
        """Maps by their name."""
        features = self.body(frames)
        maps = features.values() if isinstance(features, dict) else features
        return self.fpn(OrderedDict(zip("0123", maps, strict=True)))


def make_body(name: str, n_in: int, stochastic_depth: float, streams: int | None) -> tuple[nn.Module, list[int]]:
    """A backbone of four stages, and the channels of each."""
    library, _, rest = name.partition(":")
    dual = streams == 2 or (streams is None and n_in > 3)
    if name in SIZES:
        if dual and n_in <= 3:
            raise ModelError(f"streams=2: {n_in} channel(s) are no RGB and something else; two streams need 4 or more")
        body = DualStream(name, 3, n_in - 3, stochastic_depth) if dual else MixTransformer(name, n_in, stochastic_depth)
        return body, list(body.widths)
    if streams == 2:
        raise ModelError(f"streams=2: {name} has one stream; two are for {', '.join(SIZES)}")
    if library == "timm" and rest:
        return _timm_body(rest, n_in)
    if library == "torchvision" and rest:
        return _torchvision_body(rest, n_in)
    raise ModelError(f"backbone '{name}': {nearest(name, SIZES)}; also timm:NAME and torchvision:NAME")


class ChannelsFirst(nn.Module):
    """A backbone whose maps are [B,H,W,C], such as a Swin transformer, with maps [B,C,H,W]."""

    def __init__(self, body: nn.Module) -> None:
        super().__init__()
        self.body = body

    def forward(self, frames: Tensor) -> list[Tensor]:
        return [features.permute(0, 3, 1, 2).contiguous() for features in self.body(frames)]


def _timm_body(name: str, n_in: int) -> tuple[nn.Module, list[int]]:
    timm = optional("timm", "timm", f"the backbone timm:{name}")
    if not timm.is_model(name):
        raise ModelError(check_keys([name], timm.list_models(), "timm model")[0])
    fault = ""
    for options in ({}, {"strict_img_size": False}):  # with the second, windows go over frames of any size
        try:
            body = timm.create_model(name, in_chans=n_in, features_only=True, **options)
            strides = body.feature_info.reduction()
            places = [strides.index(stride) for stride in STRIDES]
            body = timm.create_model(name, in_chans=n_in, features_only=True, out_indices=places, **options)
        except (RuntimeError, ValueError) as error:
            raise ModelError(f"timm:{name}: gives no four maps at strides 4, 8, 16 and 32 ({error})") from error
        except TypeError:  # it has no such option
            break
        widths = body.feature_info.channels()
        if str(getattr(body, "output_fmt", "")).endswith("NHWC"):
            body = ChannelsFirst(body)
        if not (found := _fault(body, n_in, widths)):
            return body, widths
        fault = fault or found
    raise ModelError(
        f"timm:{name}: {fault}; a detector's frames have any size. Take a backbone for any size, such as "
        "timm:convnext_tiny, timm:swin_tiny_patch4_window7_224 or mit_b0"
    )


def _fault(body: nn.Module, n_in: int, widths: list[int]) -> str:
    """Why a backbone makes no pyramid of a frame of `TRIED` pixels; '' where it does."""
    try:
        with in_mode(body, training=False), torch.no_grad():
            maps = body(torch.zeros(1, n_in, *TRIED))
    except Exception as error:  # each library's own words
        return f"takes no frame of {TRIED[0]}x{TRIED[1]} pixels ({str(error).splitlines()[0]})"
    shapes = [tuple(features.shape) for features in maps]
    fits = [len(shape) == 4 and shape[1] == width for shape, width in zip(shapes, widths, strict=True)]
    return "" if all(fits) else f"makes {shapes} of a frame, not four maps [B,C,H,W] of {widths} channels"


def _torchvision_body(name: str, n_in: int) -> tuple[nn.Module, list[int]]:
    known = torchvision.models.list_models(torchvision.models)
    if name not in known:
        raise ModelError(check_keys([name], known, "torchvision model")[0])
    model = torchvision.models.get_model(name)
    if not all(hasattr(model, stage) for stage in STAGES):
        raise ModelError(f"torchvision:{name}: has no stages layer1 to layer4; take a ResNet, or timm:NAME")
    body = create_feature_extractor(model if n_in == 3 else with_input_channels(model, n_in), STAGES)
    with in_mode(body, training=False), torch.no_grad():
        widths = [features.shape[1] for features in body(torch.zeros(1, n_in, 64, 64)).values()]
    return body, widths
