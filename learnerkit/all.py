"""The public names, one by one and by stage, for `from learnerkit.all import *` in scripts and notebooks.

What only builders of parts need is imported from its room, such as `learnerkit.classify.cifar.read_cifar`.
"""

from learnerkit._fastai import (
    Callback,
    CategoryBlock,
    ChannelsLast,
    ClassificationInterpretation,
    DataBlock,
    GradientClip,
    Learner,
)
from learnerkit.callbacks.accumulate import Accumulate
from learnerkit.callbacks.autocast import Autocast
from learnerkit.callbacks.ema import EMA
from learnerkit.callbacks.guard import Guard
from learnerkit.callbacks.mix import CutMix, MixUp
from learnerkit.callbacks.mlflow import MLflowTracker
from learnerkit.callbacks.schedule import Schedule
from learnerkit.callbacks.stochastic_depth import StochasticDepth
from learnerkit.callbacks.track import EarlyStop, SaveTopK
from learnerkit.callbacks.tta import TTA
from learnerkit.classify.blocks import CifarBlock, LabelBlock
from learnerkit.classify.dls import array_dls, cifar_dls, digits_dls, folder_dls
from learnerkit.classify.interpret import ImageInterpretation
from learnerkit.classify.learner import image_learner
from learnerkit.classify.metrics import MacroF1
from learnerkit.core.errors import DataError, LearnerkitError, ModelError, RecipeError, RunError, TrainingError
from learnerkit.data.resident import ResidentDL
from learnerkit.detect.data.combine import combine_modalities
from learnerkit.detect.data.scenes import make_digit_scenes
from learnerkit.detect.dls import BoxBlock, MultispectralBlock, detection_dls
from learnerkit.detect.interpret import DetectionInterpretation
from learnerkit.detect.learner import detection_learner
from learnerkit.detect.metrics import BoxMAP
from learnerkit.explain.cam import gradcam, layercam
from learnerkit.explain.consistency import explanation_consistency
from learnerkit.explain.faithfulness import faithfulness
from learnerkit.explain.gradients import saliency_map
from learnerkit.explain.overlay import overlay
from learnerkit.explain.paths import deeplift, integrated_gradients, smoothgrad
from learnerkit.explain.randomised import randomisation_control
from learnerkit.fuse.dls import saliency_dls
from learnerkit.fuse.fusion import Fusion
from learnerkit.fuse.learner import fusion_learner
from learnerkit.fuse.make import make_saliency_pairs
from learnerkit.fuse.transforms import SaliencyBlock
from learnerkit.models.create import create_model, list_models
from learnerkit.models.info import model_info
from learnerkit.models.profile import profile_model
from learnerkit.models.registry import register_model
from learnerkit.models.target import target_layer
from learnerkit.runs.compare import compare_runs, write_comparison
from learnerkit.runs.ensemble import ensemble_runs
from learnerkit.runs.evaluate import evaluate_run
from learnerkit.runs.export import export_model, load_model
from learnerkit.runs.load import load_run
from learnerkit.runs.predict import predict_run
from learnerkit.runs.recipes import load_recipe
from learnerkit.runs.report import write_report
from learnerkit.runs.script import Run
from learnerkit.runs.suspects import find_suspects
from learnerkit.runs.sweep import run_sweep
from learnerkit.runs.verify import verify
from learnerkit.task import Task
from learnerkit.tasks import register_task

DATA = [
    "BoxBlock",
    "CategoryBlock",
    "CifarBlock",
    "DataBlock",
    "LabelBlock",
    "MultispectralBlock",
    "ResidentDL",
    "SaliencyBlock",
    "array_dls",
    "cifar_dls",
    "combine_modalities",
    "detection_dls",
    "digits_dls",
    "folder_dls",
    "make_digit_scenes",
    "saliency_dls",
    "verify",
]
MODELS = ["create_model", "list_models", "model_info", "register_model", "target_layer"]
LEARNERS = ["BoxMAP", "Learner", "MacroF1", "detection_learner", "fusion_learner", "image_learner"]
CALLBACKS = [
    "ChannelsLast",
    "EMA",
    "TTA",
    "Accumulate",
    "Autocast",
    "Callback",
    "CutMix",
    "EarlyStop",
    "Fusion",
    "GradientClip",
    "Guard",
    "MLflowTracker",
    "MixUp",
    "Run",
    "SaveTopK",
    "Schedule",
    "StochasticDepth",
]
INTERPRET = [
    "ClassificationInterpretation",
    "DetectionInterpretation",
    "ImageInterpretation",
    "deeplift",
    "explanation_consistency",
    "faithfulness",
    "gradcam",
    "integrated_gradients",
    "layercam",
    "make_saliency_pairs",
    "overlay",
    "randomisation_control",
    "saliency_map",
    "smoothgrad",
]
RUNS = [
    "Task",
    "compare_runs",
    "ensemble_runs",
    "evaluate_run",
    "export_model",
    "find_suspects",
    "load_model",
    "load_recipe",
    "load_run",
    "predict_run",
    "profile_model",
    "register_task",
    "run_sweep",
    "write_comparison",
    "write_report",
]
ERRORS = ["DataError", "LearnerkitError", "ModelError", "RecipeError", "RunError", "TrainingError"]

__all__ = [*DATA, *MODELS, *LEARNERS, *CALLBACKS, *INTERPRET, *RUNS, *ERRORS]
