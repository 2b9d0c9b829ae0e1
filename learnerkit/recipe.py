"""Recipes: what every task's says about a training, group by group, and how values are read into it. No torch."""

import re
from types import UnionType
from typing import Annotated, Any, ClassVar, Literal, get_args, get_origin

from pydantic import AfterValidator, BaseModel, ConfigDict, Field, ValidationError, ValidationInfo, field_validator

from learnerkit.core.duration import seconds_of
from learnerkit.core.errors import RecipeError, nearest
from learnerkit.core.monitor import mode_of
from learnerkit.core.ranges import (
    AtLeastOne,
    Count,
    Factor,
    Flag,
    Lot,
    NotNegative,
    Positive,
    Seed,
    ShareBelowOne,
    SplitShares,
)
from learnerkit.core.schedules import SCHEDULES, schedule_faults
from learnerkit.core.yaml import number_hint, parse_yaml


def _automatic(text: str) -> str:
    if not re.fullmatch(r"auto(:[1-9][0-9]*)?", text):
        raise ValueError("a whole number, auto, or auto:64 for steps of 64 samples")
    return text


def _duration(text: str) -> str:
    seconds_of(text)
    return text


def _named(path: str) -> str:
    if not path:
        raise ValueError("say a file or folder")
    return path


BatchSize = AtLeastOne | Annotated[str, AfterValidator(_automatic)]
BS_TEXT = "samples a batch; auto halves it until it fits and accumulates what is missing"
Duration = Annotated[str, AfterValidator(_duration)]
Place = Annotated[str, AfterValidator(_named)]  # min_length would refuse names of files that are no UTF-8


class Section(BaseModel):
    """A group of fields; unknown keys are refused, and so is what is not of a field's type: '8', true, 8.0 for 8."""

    model_config = ConfigDict(extra="forbid", protected_namespaces=(), strict=True, allow_inf_nan=False)

    @field_validator("*", mode="before")
    @classmethod
    def _list_as_tuple(cls, value: Any, info: ValidationInfo) -> Any:
        """Files have lists alone."""
        is_tuple = isinstance(value, list) and "tuple[" in str(cls.model_fields[info.field_name].annotation)
        return tuple(value) if is_tuple else value


class Data(Section):
    """What is trained on, whatever the task."""

    bs: BatchSize = Field(128, description=BS_TEXT)
    split: SplitShares | Literal["test"] | None = Field(
        None, description="shares train,valid,test; train,valid where the set has a test part; or 'test'"
    )
    split_seed: Lot = Field(42, description="which lot decides the parts")
    limit: AtLeastOne | None = Field(None, description="only so many samples of each part")


class Model(Section):
    """What is trained."""

    arch: str = Field("resnet18", description="a name of list_models(), timm:NAME or torchvision:NAME")
    weights: str | None = Field(None, description="where the weights begin: a run's folder, or a file of weights")


class Train(Section):
    """How it is trained, whatever the task."""

    epochs: AtLeastOne = Field(30, description="epochs")
    budget: Duration | None = Field(None, description="time that training may take, such as 30m: as many epochs as fit")
    lr: Positive = Field(0.1, description="greatest learning rate")
    schedule: Literal[tuple(SCHEDULES)] = Field("one_cycle", description="learning-rate schedule")
    schedule_args: dict[str, Any] = Field({}, description="arguments of the schedule, such as {step_size: 30}")
    lr_step_size: AtLeastOne | None = Field(None, description="epochs between the steps of the schedule 'step'")
    lr_gamma: Factor | None = Field(None, description="factor of each step")
    opt: str = Field("sgd", description="sgd (Nesterov), adam, adamw, rmsprop, muon")
    momentum: ShareBelowOne = Field(0.9, description="momentum, or Adam's first beta")
    wd: NotNegative = Field(5e-4, description="weight decay")
    clip: NotNegative = Field(0, description="greatest norm of the gradient; 0 for none")
    ema: ShareBelowOne = Field(0, description="decay of the averaged weights; 0 for none")
    precision: Literal["fp32", "bf16", "fp16", "auto"] = Field(
        "fp32", description="number format of the forward pass; auto takes what the device is fast at"
    )
    accumulate: AtLeastOne = Field(1, description="batches or samples for one optimizer step")
    accumulate_unit: Literal["batches", "samples"] = Field("batches", description="what accumulate counts")
    channels_last: Flag = Field(True, description="memory layout of the weights")
    compile: Flag = Field(False, description="torch.compile the model")
    guard: Literal["stop", "skip", "rollback"] = Field(
        "stop", description="what to do when an input, loss or gradient is not finite"
    )
    diagnose: Flag = Field(True, description="say which signs of a bad training there are, with the first thing to try")
    limit_batches: AtLeastOne | None = Field(None, description="so many batches an epoch, for quick trials")
    monitor: str = Field("valid_loss", description="figure on the valid part that chooses the best weights")
    mode: Literal["min", "max"] | None = Field(
        None, validate_default=True, description="whether less or more of it is better; follows from the monitor"
    )
    early_stop: Count | None = Field(None, description="stop when more epochs than that bring no improvement")
    early_stop_warmup: Count = Field(0, description="epochs at the start that do not count against it")
    early_stop_delta: NotNegative = Field(0, description="by how much a figure has to be better to count as improved")
    save_top_k: Count = Field(0, description="keep the weights of the k best epochs")
    save_top_k_optimizer: Flag = Field(False, description="keep their optimizer's state as well")
    mlflow: str | None = Field(None, description="MLflow store that the run is sent to: an URI, or a file of SQLite")
    checkpoint_every: Count = Field(10, description="epochs between resumable checkpoints")
    keep_last: Annotated[Count, Field(ge=2)] = Field(2, description="checkpoints kept besides the best")
    keep_every: Count = Field(0, description="keep the checkpoint of every n-th epoch too; 0 for none")
    keep_checkpoints: Flag = Field(True, description="keep checkpoints after the end; the weights always stay")

    @field_validator("mode")
    @classmethod
    def _fits_the_monitor(cls, value: str | None, info: ValidationInfo) -> str | None:
        if "monitor" not in info.data:  # which is at fault itself
            return value
        try:
            return mode_of(info.data["monitor"], value)
        except RecipeError as error:
            raise ValueError(str(error)) from error

    @field_validator("schedule_args")
    @classmethod
    def _fits_the_schedule(cls, value: dict[str, Any], info: ValidationInfo) -> dict[str, Any]:
        if faults := schedule_faults(info.data.get("schedule"), value):
            raise ValueError("; ".join(faults))
        return value


class Evaluate(Section):
    """How the result is measured."""


class Views(Evaluate):
    """How the result is measured, for tasks with test-time views."""

    tta: Annotated[Count, Field(le=34)] = Field(0, description="test-time views; 0 for none")


class Recipe(Section):
    """A whole training. A task's recipe gives `task` its name, and the sections what differs.

    DEMO: the name of its demo, and what that shows; '' where it has none.
    """

    DEMO: ClassVar[tuple[str, str]] = ("", "")

    task: str = Field("", description="what kind of training")
    title: str = Field("", description="one line about the recipe")
    seed: Seed = Field(42, description="seed of weights, order, augmentation and dropout")
    data: Data = Data()
    model: Model = Model()
    train: Train = Train()
    evaluate: Evaluate = Evaluate()


SECTIONS = ("data", "model", "train", "evaluate")


def sections_of(recipe: type[Recipe]) -> dict[str, type[Section]]:
    """The groups of fields of a task's recipe."""
    return {section: recipe.model_fields[section].annotation for section in SECTIONS}


def read_value(value: Any, annotation: Any) -> Any:
    """A flag's text as the value of a field: read as YAML, 'a,b' as a list; texts stay what they are.

    annotation: the field's type. RecipeError for what is no YAML.
    """
    if not isinstance(value, str) or annotation is str:
        return value
    if annotation == (str | None):
        return None if value in ("", "null", "none") else value
    if annotation == tuple[str, ...]:
        return [part for part in value.split(",") if part]
    if _is_list(annotation) and value not in ("null", "none") and value[:1] != "[":
        value = f"[{value}]"
    return parse_yaml(f"[{value}]" if "," in value and value[0] not in "{[" else value)


def _is_list(annotation: Any) -> bool:
    """Whether a field takes any number of values: 'mirror' is one of them then, and '' none."""
    kinds = get_args(annotation) if isinstance(annotation, UnionType) else (annotation,)
    return any(get_origin(kind) is tuple and get_args(kind)[-1] is Ellipsis for kind in kinds)


def validated(content: dict[str, Any], recipe: type[Recipe], name: str) -> Recipe:
    """A recipe of one task from its content; RecipeError lists every fault at once.

    name: how errors call it.
    """
    try:
        return recipe.model_validate(_over_defaults(content, recipe))
    except ValidationError as error:
        faults = _faults(error, content, recipe)
        raise RecipeError(f"recipe {name}: {len(faults)} fault(s)\n  " + "\n  ".join(faults)) from None


def _over_defaults(content: dict[str, Any], recipe: type[Recipe]) -> dict[str, Any]:
    """The content with each section laid over what the recipe's own default of that section says."""
    laid = dict(content)
    for section in SECTIONS:
        if isinstance(given := content.get(section), dict):
            laid[section] = recipe.model_fields[section].default.model_dump(exclude_unset=True) | given
    return laid


def _faults(error: ValidationError, content: dict[str, Any], recipe: type[Recipe]) -> list[str]:
    """One line a field: where it is, what was found, what would be right."""
    said: dict[tuple[str, ...], list[str]] = {}
    for item in error.errors():
        place = tuple(map(str, item["loc"][: 2 if item["loc"][0] in SECTIONS else 1]))
        said.setdefault(place, []).append(
            "" if item["type"] == "extra_forbidden" else item["msg"].removeprefix("Value error, ")
        )
    lines = []
    for place, messages in said.items():
        known, found = recipe.model_fields, content
        for key in place:
            found = found.get(key) if isinstance(found, dict) else found
        if len(place) == 2:
            known = sections_of(recipe)[place[0]].model_fields
        said = " or ".join(messages)
        if "valid integer" in said or "valid number" in said:
            parts = found if isinstance(found, (list, tuple)) else [found]
            said = "; ".join([said, *dict.fromkeys(filter(None, map(number_hint, parts)))])
        wrong = f"unknown key; {nearest(place[-1], known)}" if "" in messages else f"{found!r} - {said}"
        lines.append(f"{'.'.join(place)}: {wrong}")
    return lines
