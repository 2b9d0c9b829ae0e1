"""The task of fusing pairs of saliency and attention maps; stands on `classify`."""
