"""Recipes: what every task's says about a training, group by group, and how values are read into it. No torch."""

from types import UnionType
from typing import Annotated, Any, ClassVar, Literal, get_args, get_origin

from pydantic import AfterValidator, BaseModel, ConfigDict, Field, ValidationError, ValidationInfo, field_validator

from learnerkit.core.errors import RecipeError, nearest
from learnerkit.core.schedules import SCHEDULES, schedule_faults
from learnerkit.core.yaml import number_hint, parse_yaml


def _whole(shares: tuple[float, ...]) -> tuple[float, ...]:
    if abs(sum(shares) - 1) > 1e-6:
        raise ValueError("shares sum to 1")
    return shares


def _named(path: str) -> str:
    if not path:
        raise ValueError("say a file or folder")
    return path


Place = Annotated[str, AfterValidator(_named)]  # min_length would refuse names of files that are no UTF-8
Share = Annotated[float, Field(ge=0, le=1)]
Shares = Annotated[tuple[Share, ...], Field(min_length=2, max_length=3), AfterValidator(_whole)]


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

    bs: int = Field(128, ge=1, description="samples a batch")
    split: Shares | Literal["test"] | None = Field(
        None, description="shares train,valid,test; train,valid where the set has a test part; or 'test'"
    )
    split_seed: int = Field(42, ge=0, lt=2**32, description="which lot decides the parts")
    limit: int | None = Field(None, ge=1, description="only so many samples of each part")


class Model(Section):
    """What is trained."""

    arch: str = Field("resnet18", description="a name of list_models(), timm:NAME or torchvision:NAME")
    weights: str | None = Field(None, description="where the weights begin: a run's folder, or a file of weights")


class Train(Section):
    """How it is trained, whatever the task."""

    epochs: int = Field(30, ge=1, description="epochs")
    lr: float = Field(0.1, gt=0, description="greatest learning rate")
    schedule: Literal[tuple(SCHEDULES)] = Field("one_cycle", description="learning-rate schedule")
    schedule_args: dict[str, Any] = Field({}, description="arguments of the schedule, such as {step_size: 30}")
    lr_step_size: int | None = Field(None, ge=1, description="epochs between the steps of the schedule 'step'")
    lr_gamma: float | None = Field(None, gt=0, le=1, description="factor of each step")
    opt: str = Field("sgd", description="sgd (Nesterov), adam, adamw, rmsprop")
    momentum: float = Field(0.9, ge=0, lt=1, description="momentum, or Adam's first beta")
    wd: float = Field(5e-4, ge=0, description="weight decay")
    clip: float = Field(0, ge=0, description="greatest norm of the gradient; 0 for none")
    ema: float = Field(0, ge=0, lt=1, description="decay of the averaged weights; 0 for none")
    precision: Literal["fp32", "bf16", "fp16"] = Field("fp32", description="number format of the forward pass")
    accumulate: int = Field(1, ge=1, description="batches or samples for one optimizer step")
    accumulate_unit: Literal["batches", "samples"] = Field("batches", description="what accumulate counts")
    channels_last: bool = Field(True, description="memory layout of the weights")
    compile: bool = Field(False, description="torch.compile the model")
    guard: Literal["stop", "skip", "rollback"] = Field(
        "stop", description="what to do when an input, loss or gradient is not finite"
    )
    limit_batches: int | None = Field(None, ge=1, description="so many batches an epoch, for quick trials")
    monitor: str = Field("valid_loss", description="figure on the valid part that chooses the best weights")
    mode: Literal["min", "max"] = Field("min", description="whether less or more of it is better")
    early_stop: int | None = Field(None, ge=0, description="stop after so many epochs without improvement")
    save_top_k: int = Field(0, ge=0, description="keep the weights of the k best epochs")
    checkpoint_every: int = Field(10, ge=0, description="epochs between resumable checkpoints")
    keep_last: int = Field(2, ge=2, description="checkpoints kept besides the best")
    keep_every: int = Field(0, ge=0, description="keep the checkpoint of every n-th epoch too; 0 for none")
    keep_checkpoints: bool = Field(True, description="keep checkpoints after the end; the weights always stay")

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

    tta: int = Field(0, ge=0, le=34, description="test-time views; 0 for none")


class Recipe(Section):
    """A whole training. A task's recipe gives `task` its name, and the sections what differs.

    DEMO: the name of its demo, and what that shows; '' where it has none.
    """

    DEMO: ClassVar[tuple[str, str]] = ("", "")

    task: str = Field("", description="what kind of training")
    title: str = Field("", description="one line about the recipe")
    seed: int = Field(42, ge=0, lt=2**63, description="seed of weights, order, augmentation and dropout")
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
