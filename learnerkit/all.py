"""The public names, one by one, for `from learnerkit.all import *` in scripts and notebooks."""

from learnerkit._fastai import (
    Callback,
    CategoryBlock,
    ChannelsLast,
    ClassificationInterpretation,
    DataBlock,
    GradientAccumulation,
    GradientClip,
    Learner,
)
from learnerkit.callbacks.accumulate import Accumulate
from learnerkit.callbacks.ema import EMA
from learnerkit.callbacks.guard import Guard
from learnerkit.callbacks.mix import CutMix, MixUp
from learnerkit.callbacks.precision import Precision
from learnerkit.callbacks.run import Run
from learnerkit.callbacks.schedule import Schedule
from learnerkit.callbacks.stochastic_depth import StochasticDepth
from learnerkit.callbacks.track import EarlyStop, SaveTopK
from learnerkit.callbacks.tta import TTA
from learnerkit.data.block import CifarBlock, LabelBlock, image_dls
from learnerkit.data.cifar import read_cifar
from learnerkit.data.dls import array_dls, cifar_dls, digits_dls, folder_dls
from learnerkit.data.resident import ResidentDL
from learnerkit.data.verify import verify
from learnerkit.interpret.classification import ImageInterpretation
from learnerkit.learner.factory import image_learner
from learnerkit.learner.kit import KitLearner
from learnerkit.metrics.classification import MacroF1
from learnerkit.models.create import create_model, list_models, model_info
from learnerkit.models.io import export_model, load_model
from learnerkit.models.registry import register_model
from learnerkit.runs.load import load_run
from learnerkit.runs.report import write_report

__all__ = [
    "EMA",
    "TTA",
    "Accumulate",
    "Callback",
    "CategoryBlock",
    "ChannelsLast",
    "CifarBlock",
    "ClassificationInterpretation",
    "CutMix",
    "DataBlock",
    "EarlyStop",
    "GradientAccumulation",
    "GradientClip",
    "Guard",
    "ImageInterpretation",
    "KitLearner",
    "LabelBlock",
    "Learner",
    "MacroF1",
    "MixUp",
    "Precision",
    "ResidentDL",
    "Run",
    "SaveTopK",
    "Schedule",
    "StochasticDepth",
    "array_dls",
    "cifar_dls",
    "create_model",
    "digits_dls",
    "export_model",
    "folder_dls",
    "image_dls",
    "image_learner",
    "list_models",
    "load_model",
    "load_run",
    "model_info",
    "read_cifar",
    "register_model",
    "verify",
    "write_report",
]
