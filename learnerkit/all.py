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
from learnerkit.callbacks.fusion import Fusion
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
from learnerkit.data.combine import combine_modalities
from learnerkit.data.detection import read_detection
from learnerkit.data.detection_block import BoxBlock, MultispectralBlock, frame_dls
from learnerkit.data.digit_scenes import make_digit_scenes
from learnerkit.data.dls import array_dls, cifar_dls, detection_dls, digits_dls, folder_dls, saliency_dls
from learnerkit.data.pair_block import SaliencyBlock, pair_dls
from learnerkit.data.pairs import read_pairs
from learnerkit.data.relations import RELATIONS
from learnerkit.data.resident import ResidentDL
from learnerkit.data.verify import verify
from learnerkit.interpret.attribution import gradcam, saliency_map
from learnerkit.interpret.classification import ImageInterpretation
from learnerkit.interpret.detection import DetectionInterpretation
from learnerkit.interpret.pairs import make_saliency_pairs
from learnerkit.learner.detection import detection_learner
from learnerkit.learner.factory import fusion_learner, image_learner
from learnerkit.learner.kit import KitLearner
from learnerkit.metrics.classification import MacroF1
from learnerkit.metrics.detection import BoxMAP
from learnerkit.models.create import create_model, list_models, model_info
from learnerkit.models.io import export_model, load_model
from learnerkit.models.registry import register_model
from learnerkit.runs.compare import compare_runs
from learnerkit.runs.comparison_page import write_comparison
from learnerkit.runs.ensemble import ensemble_runs
from learnerkit.runs.load import load_run
from learnerkit.runs.report import write_report

__all__ = [
    "EMA",
    "RELATIONS",
    "TTA",
    "Accumulate",
    "BoxBlock",
    "BoxMAP",
    "Callback",
    "CategoryBlock",
    "ChannelsLast",
    "CifarBlock",
    "ClassificationInterpretation",
    "CutMix",
    "DataBlock",
    "DetectionInterpretation",
    "EarlyStop",
    "Fusion",
    "GradientAccumulation",
    "GradientClip",
    "Guard",
    "ImageInterpretation",
    "KitLearner",
    "LabelBlock",
    "Learner",
    "MacroF1",
    "MixUp",
    "MultispectralBlock",
    "Precision",
    "ResidentDL",
    "Run",
    "SaliencyBlock",
    "SaveTopK",
    "Schedule",
    "StochasticDepth",
    "array_dls",
    "cifar_dls",
    "combine_modalities",
    "compare_runs",
    "create_model",
    "detection_dls",
    "detection_learner",
    "digits_dls",
    "ensemble_runs",
    "export_model",
    "folder_dls",
    "frame_dls",
    "fusion_learner",
    "gradcam",
    "image_dls",
    "image_learner",
    "list_models",
    "load_model",
    "load_run",
    "make_digit_scenes",
    "make_saliency_pairs",
    "model_info",
    "pair_dls",
    "read_cifar",
    "read_detection",
    "read_pairs",
    "register_model",
    "saliency_dls",
    "saliency_map",
    "verify",
    "write_comparison",
    "write_report",
]
