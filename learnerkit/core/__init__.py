"""Errors, files, checkpoints, run folders, seeds and the registry: no fastai, nothing of the layers above."""
