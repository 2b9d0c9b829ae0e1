"""SegFormer weights in Hugging Face's layout, for our MiT stages: names translated, what did not map listed."""

import logging
import re

from torch import Tensor, nn

from learnerkit.core.files import PathLike
from learnerkit.core.tensors import load_weights
from learnerkit.detect.models.mit import MixTransformer
from learnerkit.detect.models.rgbx import DualStream
from learnerkit.models.first_layer import channels_text, for_channels

# pattern of a name in Hugging Face's files -> name in `mit.make_stages`: the layout of the published files, and that of
# transformers 5 in memory
NAMES = (
    (r"patch_embeddings\.(\d)\.proj\.(.*)", r"\1.patches.conv.\2"),
    (r"patch_embeddings\.(\d)\.layer_norm\.(.*)", r"\1.patches.norm.\2"),
    (r"block\.(\d)\.(\d+)\.layer_norm_([12])\.(.*)", r"\1.blocks.\2.norm\3.\4"),
    (r"block\.(\d)\.(\d+)\.attention\.self\.(query|key|value)\.(.*)", r"\1.blocks.\2.attention.\3.\4"),
    (r"block\.(\d)\.(\d+)\.attention\.self\.sr\.(.*)", r"\1.blocks.\2.attention.reduce.\3"),
    (r"block\.(\d)\.(\d+)\.attention\.self\.layer_norm\.(.*)", r"\1.blocks.\2.attention.norm.\3"),
    (r"block\.(\d)\.(\d+)\.attention\.output\.dense\.(.*)", r"\1.blocks.\2.attention.out.\3"),
    (r"block\.(\d)\.(\d+)\.mlp\.dense1\.(.*)", r"\1.blocks.\2.ffn.widen.\3"),
    (r"block\.(\d)\.(\d+)\.mlp\.dwconv\.dwconv\.(.*)", r"\1.blocks.\2.ffn.conv.\3"),
    (r"block\.(\d)\.(\d+)\.mlp\.dense2\.(.*)", r"\1.blocks.\2.ffn.narrow.\3"),
    (r"layer_norm\.(\d)\.(.*)", r"\1.norm.\2"),
    (r"stages\.(\d)\.patch_embeddings\.proj\.(.*)", r"\1.patches.conv.\2"),
    (r"stages\.(\d)\.patch_embeddings\.layer_norm\.(.*)", r"\1.patches.norm.\2"),
    (r"stages\.(\d)\.blocks\.(\d+)\.layernorm_before\.(.*)", r"\1.blocks.\2.norm1.\3"),
    (r"stages\.(\d)\.blocks\.(\d+)\.layernorm_after\.(.*)", r"\1.blocks.\2.norm2.\3"),
    (r"stages\.(\d)\.blocks\.(\d+)\.attention\.q_proj\.(.*)", r"\1.blocks.\2.attention.query.\3"),
    (r"stages\.(\d)\.blocks\.(\d+)\.attention\.k_proj\.(.*)", r"\1.blocks.\2.attention.key.\3"),
    (r"stages\.(\d)\.blocks\.(\d+)\.attention\.v_proj\.(.*)", r"\1.blocks.\2.attention.value.\3"),
    (r"stages\.(\d)\.blocks\.(\d+)\.attention\.o_proj\.(.*)", r"\1.blocks.\2.attention.out.\3"),
    (
        r"stages\.(\d)\.blocks\.(\d+)\.attention\.sequence_reduction\.sequence_reduction\.(.*)",
        r"\1.blocks.\2.attention.reduce.\3",
    ),
    (
        r"stages\.(\d)\.blocks\.(\d+)\.attention\.sequence_reduction\.layer_norm\.(.*)",
        r"\1.blocks.\2.attention.norm.\3",
    ),
    (r"stages\.(\d)\.blocks\.(\d+)\.mlp\.fc1\.(.*)", r"\1.blocks.\2.ffn.widen.\3"),
    (r"stages\.(\d)\.blocks\.(\d+)\.mlp\.dwconv\.dwconv\.(.*)", r"\1.blocks.\2.ffn.conv.\3"),
    (r"stages\.(\d)\.blocks\.(\d+)\.mlp\.fc2\.(.*)", r"\1.blocks.\2.ffn.narrow.\3"),
    (r"stages\.(\d)\.layer_norm\.(.*)", r"\1.norm.\2"),
)
log = logging.getLogger(__name__)
FIRST = "0.patches.conv.weight"  # the only tensor whose shape depends on the input channels


def translated(name: str) -> str | None:
    """Our name of a tensor of SegFormer's encoder; None for any other tensor, such as the decoder's."""
    inner = re.sub(r"^(segformer\.)?(encoder\.)?", "", name)
    for pattern, ours in NAMES:
        if re.fullmatch(pattern, inner):
            return re.sub(pattern, ours, inner)
    return None


def load_segformer(model: MixTransformer | DualStream, weights: PathLike | dict[str, Tensor]) -> list[str]:
    """Put a SegFormer encoder's weights into a MiT, or into both streams of a dual one.

    model: changed in place.
    weights: a safetensors file in Hugging Face's layout, or its tensors.
    Returns the names of the file's tensors that did not map and of the model's that stayed as they were.
    """
    tensors = weights if isinstance(weights, dict) else load_weights(weights)
    named = {name: translated(name) for name in tensors}
    ours = {new: tensors[name] for name, new in named.items() if new is not None}
    unmapped = [f"not used: {name}" for name, new in named.items() if new is None]
    streams = [model.rgb, model.other] if isinstance(model, DualStream) else [model.stages]
    for stages in streams:
        unmapped += _fill(stages, ours)
    return unmapped


def _fill(stages: nn.ModuleList, ours: dict[str, Tensor]) -> list[str]:
    own, fitting, left = stages.state_dict(), {}, []
    for name, tensor in own.items():
        given = ours.get(name)
        if given is not None and name == FIRST and given.shape[1] != tensor.shape[1]:
            log.warning("%s", channels_text(name, given.shape[1], tensor.shape[1]))
            given = for_channels(given, tensor.shape[1])
        if given is None or given.shape != tensor.shape:
            left.append(f"not filled: {name}")
        else:
            fitting[name] = given
    stages.load_state_dict({**own, **fitting})
    return left
