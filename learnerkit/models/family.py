"""Which family a model is of, by its name."""

import re


def family_of(name: str) -> str:
    """The family of a model's name: 'vgg16' is of 'vgg', 'timm:resnet50.a1_in1k' of 'resnet', 'tiny_cnn' of 'cnn'."""
    plain = name.rpartition(":")[2].lower()
    if plain.endswith("_cnn"):
        return "cnn"
    found = re.match(r"(?:se_|hybrid_)?([a-z]+)", plain)
    return found.group(1) if found else plain
