"""The ways to fuse two maps, by name; here, because recipes name them without torch."""

MODES = ("concat", "saliency_only", "attention_only", "add", "multiply", "max", "weighted")  # what `all` means
EVERY_MODE = (*MODES, "gated")
