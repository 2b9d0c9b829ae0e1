"""What holds for the whole package: layers, safety, silence, names, metadata."""

import ast
import configparser
import inspect
import subprocess
import sys
from pathlib import Path

import pytest

import learnerkit
import learnerkit.all as everything
from learnerkit.classify.recipe import ClassifyRecipe
from learnerkit.classify.source import ImageSource
from learnerkit.core.errors import RecipeError
from learnerkit.detect.data.source import FrameSource
from learnerkit.detect.recipe import DetectRecipe
from learnerkit.fuse.recipe import FuseRecipe
from learnerkit.fuse.source import PairSource
from learnerkit.learner.make import TrainingArguments

ROOT = Path(learnerkit.__file__).parent
TREES = {path.relative_to(ROOT).as_posix(): ast.parse(path.read_text()) for path in sorted(ROOT.rglob("*.py"))}
# from the ground up; rooms and modules of one line never import each other
LAYERS = [
    {"core"},
    {"ops"},
    {"data", "models", "callbacks", "pages", "recipe"},
    {"learner"},
    {"explain", "task"},
    {"classify", "detect"},
    {"fuse"},
    {"tasks"},
    {"runs"},
    {"commands"},
    {"cli", "all"},
    {"__main__"},
]
LEVEL = {room: level for level, rooms in enumerate(LAYERS) for room in rooms}
ROOMS = ("classify", "fuse", "detect")
SHARED = {name: tree for name, tree in TREES.items() if not name.startswith(tuple(f"{room}/" for room in ROOMS))}


def imports(tree):
    for node in ast.walk(tree):
        if isinstance(node, ast.ImportFrom) and node.module:
            yield node.module
        elif isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)


def room_of(module):
    return module.split("/")[0].removesuffix(".py")


def upward(name, tree):
    """What a module imports from its own level or above."""
    own = room_of(name)
    for module in imports(tree):
        other = module.split(".")[1] if module.startswith("learnerkit.") else own
        if other not in (own, "_fastai") and LEVEL[other] >= LEVEL[own]:
            yield f"{name} imports {module}"


def test_imports_go_down_only():
    trees = {name: tree for name, tree in TREES.items() if name not in ("__init__.py", "_fastai.py")}
    assert {room_of(name) for name in trees} == set(LEVEL)
    for name, tree in trees.items():
        if name == "tasks.py":  # names of tasks' classes, for hints alone
            tree.body = [node for node in tree.body if not isinstance(node, ast.If)]
    assert not [text for name, tree in trees.items() for text in upward(name, tree)]


def test_a_room_beside_or_above_would_be_seen():
    for room, module in (("detect", "learnerkit.classify.dls"), ("runs", "learnerkit.cli"), ("ops", "learnerkit.data")):
        assert list(upward(f"{room}/x.py", ast.parse(f"from {module} import y")))


def test_shared_code_names_no_task():
    words = {
        f"{name}: {node.value}"
        for name, tree in SHARED.items()
        for node in ast.walk(tree)
        if isinstance(node, ast.Constant) and node.value in ROOMS
    }
    assert words == {f"tasks.py: {name}" for name in ("classify", "fuse", "detect")}
    importing = {
        name
        for name, tree in SHARED.items()
        for m in imports(tree)
        if m.split(".")[:1] == ["learnerkit"] and m.split(".")[1:2] and m.split(".")[1] in ROOMS
    }
    assert importing == {"all.py"}


OF_ONE_ROOM = {  # sources and recipe sections of the rooms, and what only they have
    ImageSource: {"digests"},
    PairSource: {"maps", "layers"},
    FrameSource: {"frames", "boxes", "codes", "sizes", "modalities", "colours", "most_boxes"},
    ClassifyRecipe: {"randaugment", "cutmix", "mixup", "jitter", "stochastic_depth", "label_smoothing"},
    FuseRecipe: {"fusion", "fusion_weights", "map_dropout", "layer"},
    DetectRecipe: {"anchors", "proposals", "streams", "box_batch_size_per_image", "iou_crop", "modality_dropout"},
}


def names_of(kind):
    sections = [field.annotation for field in getattr(kind, "model_fields", {}).values()]
    fields = {name for section in sections for name in getattr(section, "model_fields", {})}
    return (
        fields | set(dir(kind)) | set(getattr(kind, "__dataclass_fields__", {})) | {"boxes", "codes", "sizes"}
    )  # of __post_init__


def asked_for(tree):
    """Attributes that are used, and names that hasattr and getattr ask for."""
    for node in ast.walk(tree):
        if isinstance(node, ast.Attribute):
            yield node.attr
        elif isinstance(node, ast.Call) and getattr(node.func, "id", "") in ("getattr", "hasattr"):
            yield getattr(node.args[1], "value", None)


def test_shared_code_asks_nothing_after_what_one_task_has():
    for kind, names in OF_ONE_ROOM.items():
        assert names <= names_of(kind), kind
    own = set().union(*OF_ONE_ROOM.values())
    for name, tree in SHARED.items():
        assert not set(asked_for(tree)) & own, f"{name}: {set(asked_for(tree)) & own}"


def test_a_task_has_the_same_files_where_its_role_is_the_same():
    for room in ROOMS:
        held = {name.split("/")[1].removesuffix(".py") for name in TREES if name.startswith(f"{room}/")}
        assert held >= {"recipe", "dls", "learner", "evaluate", "doctor", "task"}
        assert [type(node) for node in TREES[f"{room}/__init__.py"].body] == [ast.Expr]  # its docstring alone


def test_a_module_is_at_most_250_lines():
    assert not [name for name in TREES if len((ROOT / name).read_text().splitlines()) > 250]


def test_the_foundations_know_no_fastai():
    for room in ("core", "ops", "models"):
        for name, tree in TREES.items():
            if name.startswith(f"{room}/"):
                assert not [m for m in imports(tree) if m.split(".")[0] in ("fastai", "fastcore")], name


def test_private_names_of_fastai_stand_in_one_module():
    taken = []
    for name, tree in TREES.items():
        for node in ast.walk(tree):
            if isinstance(node, ast.ImportFrom) and (node.module or "").startswith(("fastai", "fastcore")):
                taken += [(name, alias.name) for alias in node.names if alias.name.startswith("_")]
    assert sorted(taken) == [("_fastai.py", word) for word in ("_BaseOptimizer", "_inner_loop", "_maybe_item")]
    methods = {"_do_fit", "_do_epoch", "_do_one_batch", "_step", "_set_device", "_with_events", "_end_cleanup"}
    methods |= {"_train_mets", "_valid_mets", "_call_one", "_DataLoader__idxs", "_do_epoch_train", "_do_epoch_validate"}
    for name, tree in TREES.items():
        if name != "_fastai.py":
            named = {node.attr for node in ast.walk(tree) if isinstance(node, ast.Attribute)}
            named |= {node.name for node in ast.walk(tree) if isinstance(node, ast.FunctionDef)}
            assert not named & methods, name


def test_no_star_import_and_no_import_inside_a_function():
    for name, tree in TREES.items():
        assert not [n for n in ast.walk(tree) if isinstance(n, ast.ImportFrom) and n.names[0].name == "*"], name
        functions = [n for n in ast.walk(tree) if isinstance(n, (ast.FunctionDef, ast.AsyncFunctionDef))]
        assert not [n for f in functions for n in ast.walk(f) if isinstance(n, (ast.Import, ast.ImportFrom))], name


def test_library_code_does_not_print():
    for name, tree in TREES.items():
        for node in ast.walk(tree):
            if isinstance(node, ast.FunctionDef) and not node.name.startswith("print_"):
                calls = [n for n in ast.walk(node) if isinstance(n, ast.Call) and isinstance(n.func, ast.Name)]
                assert "print" not in {call.func.id for call in calls}, f"{name}: {node.name}"


DANGEROUS = {
    "eval",
    "exec",
    "pickle.load",
    "pickle.loads",
    "torch.load",
    "yaml.load",
    "yaml.unsafe_load",
    "load_learner",
    "SaveModelCallback",
    "os.system",
}


def dangerous_calls(tree):
    for node in ast.walk(tree):
        if not isinstance(node, ast.Call):
            continue
        name = ast.unparse(node.func)
        keywords = {k.arg: ast.unparse(k.value) for k in node.keywords}
        if name == "torch.load" and keywords.get("weights_only") == "True":
            continue
        if name in DANGEROUS or name.endswith((".extractall", ".export")):
            yield name
        if keywords.get("allow_pickle") == "True" or keywords.get("shell") == "True":
            yield name


def test_nothing_dangerous_is_called():
    found = {name: list(dangerous_calls(tree)) for name, tree in TREES.items()}
    found["learner/kit.py"].remove("super().export")  # fastai's own, behind a warning
    found["runs/onnx.py"].remove("torch.onnx.export")  # which writes a graph, and pickles nothing
    assert not {name: calls for name, calls in found.items() if calls}


def test_the_search_for_dangerous_calls_finds_them():
    text = "torch.load(f)\npickle.loads(b)\nnp.load(f, allow_pickle=True)\narchive.extractall(p)\neval('1')"
    assert len(list(dangerous_calls(ast.parse(text)))) == 5


def test_importing_prints_and_warns_nothing():
    code = "import warnings; warnings.simplefilter('always'); import learnerkit.all, learnerkit.runs.evaluate"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout == ""
    assert "learnerkit" not in done.stderr and "fastai" not in done.stderr and "jit.script" not in done.stderr


def test_the_bare_package_and_the_help_import_no_torch():
    code = "import sys, learnerkit.cli as cli; cli.main(['train', '--help']); print('torch' in sys.modules)"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.split()[-1] == "False" and "--lr" in done.stdout


@pytest.mark.slow
def test_each_module_can_be_imported_first():
    """No module counts on another having been imported before it: a sample of the ends, each in a fresh process."""
    for module in ("detect.task", "fuse.fusion", "runs.compare", "explain.cam", "pages.ranking", "task"):
        done = subprocess.run([sys.executable, "-c", f"import learnerkit.{module}"], capture_output=True, text=True)
        assert done.returncode == 0, done.stderr


def test_version_and_names():
    config = configparser.ConfigParser(delimiters=["="])
    config.read(ROOT.parent / "settings.ini")
    assert config["DEFAULT"]["version"] == learnerkit.__version__
    assert len(everything.__all__) == len(set(everything.__all__)) <= 80
    for name in everything.__all__:
        assert hasattr(everything, name)


def public_functions():
    ours = [getattr(everything, name) for name in everything.__all__]
    return [item for item in ours if callable(item) and getattr(item, "__module__", "").startswith("learnerkit")]


def test_every_public_function_documents_each_argument():
    assert len(public_functions()) > 40
    for item in public_functions():
        text = inspect.getdoc(item) or ""
        assert text, item
        names = list(inspect.signature(item.__init__ if inspect.isclass(item) else item).parameters)
        missing = [n for n in names if n not in text and n not in ("self", "args", "kwargs", "cls", "bare")]
        assert not missing, f"{item.__qualname__} does not document {missing}"


DATA_FUNCTIONS = ["cifar_dls", "digits_dls", "folder_dls", "array_dls", "saliency_dls", "detection_dls"]
LEARNERS = ["image_learner", "fusion_learner", "detection_learner"]


@pytest.mark.parametrize("name", DATA_FUNCTIONS + LEARNERS)
def test_an_unknown_keyword_gives_the_nearest(name):
    function = getattr(everything, name)
    misspelt = {"num_worker": 2} if name in DATA_FUNCTIONS else {"limit_batchs": 3}
    with pytest.raises(RecipeError, match=rf"{name}\(\): unknown key '.*'; did you mean (num_workers|limit_batches)"):
        function(*[None] * (len(positional(function)) - 1), **misspelt)


def parameters(function):
    return inspect.signature(function).parameters


def positional(function):
    return [p.name for p in parameters(function).values() if p.kind is p.POSITIONAL_OR_KEYWORD]


def test_data_functions_name_the_same_things_alike():
    for name in DATA_FUNCTIONS:
        function = getattr(everything, name)
        assert {"bs", "split", "split_seed", "keeps", "stats", "limit", "num_workers"} <= set(parameters(function)), (
            name
        )
        assert not {"fractions", "valid", "seed", "normalize", "shift", "workers", "skip_bad"} & set(
            parameters(function)
        )
        assert positional(function)[-1] == "bs" and "kwargs" not in parameters(function)
        assert name == "digits_dls" or "bad" in parameters(function)


def test_learners_take_the_same_training_arguments_in_the_same_order():
    shared = list(inspect.signature(TrainingArguments).parameters)
    for name in LEARNERS:
        names = list(parameters(getattr(everything, name)))
        assert names[:2] == positional(getattr(everything, name)) == ["dls", "arch"], name
        assert [n for n in names if n in shared] == [n for n in shared if n in names], name
        assert set(shared) <= set(names) and "kwargs" not in names, name


def test_every_module_has_a_purpose():
    for name, tree in TREES.items():
        assert len(ast.get_docstring(tree) or "") > 20, name
