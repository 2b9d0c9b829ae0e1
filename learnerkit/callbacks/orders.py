"""Where each callback of learnerkit stands among the others and fastai's: lower runs first.

fastai's own: -10 TrainEval, 9 CastToTensor, 10 MixedPrecision, 11 GradientClip, 50 Recorder, 60 ProgressCallback and
ParamScheduler, 61 SaveModelCallback, 62 ReduceLROnPlateau, 63 EarlyStoppingCallback.
"""

ORDERS = {
    "Fusion": -30,  # changes the model before anything looks at it
    "EMA": -20,  # swaps weights before TrainEval sets the mode
    "SwitchOff": -15,  # changes the input before anything has looked at it
    "Guard": -9,  # looks at the input before the weights see it
    "LossParts": -8,  # after the guard has looked at the input
    "StochasticDepth": -5,
    "CutMix": 5,
    "MixUp": 5,
    "Accumulate": 6,
    "TTA": 8,
    "TrainAccuracy": 12,
    "ClassFigures": 13,
    "CastBatch": 9,
    "Autocast": 10,
    "LeanRecorder": 50,
    "ClassSigns": 52,
    "BoxSigns": 52,
    "Diagnose": 53,  # after those whose signs it gathers, before the run is written
    "RunKeeper": 55,  # once the figures are there, and before anything that may end the fit by them
    "Run": 55,
    "MLflowTracker": 56,
    "Progress": 60,
    "LeanScheduler": 60,
    "Schedule": 60,
    "SaveTopK": 61,
    "EarlyStop": 85,
    "Witness": 95,  # once everything of a step is there
}
