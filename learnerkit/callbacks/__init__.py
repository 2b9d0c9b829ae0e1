"""Callbacks: thin classes that move tensors between the learner and the functions of `ops` and `core`.

Where each stands beside fastai's (lower runs first):

    -30 Fusion   -20 EMA (swaps weights before TrainEval sets the mode)   -10 TrainEval   -9 Guard   -8 DetectionParts
     -5 StochasticDepth   5 CutMix, MixUp   6 Accumulate   8 TTA   9 cast to tensor   10 mixed precision
     11 GradientClip   50 Recorder   60 progress, one-cycle schedule, Schedule   61 SaveTopK   80 Run   85 EarlyStop
"""

from learnerkit import _fastai  # noqa: F401
