"""Pure torch functions on batches: augmentation, mixing, test-time views. No fastai.

Shapes: B images a batch, C channels, H height, W width. Images are uint8 [B,C,H,W] until normalised to float32.
"""
