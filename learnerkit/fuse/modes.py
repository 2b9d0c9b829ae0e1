"""The ways to fuse two maps, by name, without torch: recipes list them too."""

MODES = ("concat", "saliency_only", "attention_only", "add", "multiply", "max", "weighted")  # what `all` means
EVERY_MODE = (*MODES, "gated")
WEIGHTS = (0.6, 0.4)  # of saliency and attention map
