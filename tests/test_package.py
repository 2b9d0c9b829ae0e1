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

ROOT = Path(learnerkit.__file__).parent
MODULES = sorted(ROOT.rglob("*.py"))
# from the ground up; packages of one line never import each other
LAYERS = [
    {"core"},
    {"ops"},
    {"data", "models", "callbacks", "metrics"},
    {"learner"},
    {"interpret"},
    {"tasks"},
    {"runs"},
    {"cli", "all", "doctor"},
]
LEVEL = {package: level for level, packages in enumerate(LAYERS) for package in packages}


def imports(path):
    for node in ast.walk(ast.parse(path.read_text())):
        if isinstance(node, ast.ImportFrom) and node.module:
            yield node.module, node
        elif isinstance(node, ast.Import):
            for alias in node.names:
                yield alias.name, node


@pytest.mark.parametrize("path", MODULES, ids=lambda path: str(path.relative_to(ROOT)))
def test_imports_go_down_only(path):
    parts = path.relative_to(ROOT).parts
    own = parts[0].removesuffix(".py")
    if own in ("__init__", "_fastai"):
        return
    for module, _ in imports(path):
        other = module.split(".")[1] if module.startswith("learnerkit.") else None
        if other in (None, own, "_fastai", "__version__"):
            continue
        assert LEVEL[other] < LEVEL[own], f"{own} imports {module}"


def test_the_foundations_know_no_fastai():
    for package in ("core", "ops", "models"):
        for path in (ROOT / package).glob("*.py"):
            assert not [m for m, _ in imports(path) if m.split(".")[0] in ("fastai", "fastcore")], path


def test_no_star_import_and_no_import_inside_a_function():
    for path in MODULES:
        tree = ast.parse(path.read_text())
        assert not [n for n in ast.walk(tree) if isinstance(n, ast.ImportFrom) and n.names[0].name == "*"], path
        functions = [n for n in ast.walk(tree) if isinstance(n, (ast.FunctionDef, ast.AsyncFunctionDef))]
        late = [n for f in functions for n in ast.walk(f) if isinstance(n, (ast.Import, ast.ImportFrom))]
        assert not late, path


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
    found = {str(path): list(dangerous_calls(ast.parse(path.read_text()))) for path in MODULES}
    found[str(ROOT / "learner" / "kit.py")].remove("super().export")  # fastai's own, behind a warning
    assert not {path: calls for path, calls in found.items() if calls}


def test_the_search_for_dangerous_calls_finds_them():
    text = "torch.load(f)\npickle.loads(b)\nnp.load(f, allow_pickle=True)\narchive.extractall(p)\neval('1')"
    assert len(list(dangerous_calls(ast.parse(text)))) == 5


def test_importing_prints_and_warns_nothing():
    code = "import warnings; warnings.simplefilter('always'); import learnerkit.all, learnerkit.runs.evaluate"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout == ""
    assert "learnerkit" not in done.stderr and "fastai" not in done.stderr and "jit.script" not in done.stderr


def test_the_bare_package_and_the_help_import_no_torch():
    code = "import sys, learnerkit.cli; print('torch' in sys.modules, 'fastai' in sys.modules)"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.split() == ["False", "False"]


def test_version_and_names():
    config = configparser.ConfigParser(delimiters=["="])
    config.read(ROOT.parent / "settings.ini")
    assert config["DEFAULT"]["version"] == learnerkit.__version__
    assert sorted(everything.__all__) == sorted(set(everything.__all__))
    for name in everything.__all__:
        assert hasattr(everything, name)


def test_every_public_function_documents_each_argument():
    ours = [getattr(everything, name) for name in everything.__all__]
    ours = [item for item in ours if getattr(item, "__module__", "").startswith("learnerkit")]
    assert len(ours) > 20
    for item in ours:
        text = inspect.getdoc(item) or ""
        assert text, item
        target = item.__init__ if inspect.isclass(item) else item
        names = list(inspect.signature(target, follow_wrapped=True).parameters)
        if "kwargs" in text:  # `image_dls` documents what the others pass on
            names = [name for name in names if name in inspect.getfullargspec(inspect.unwrap(target)).args]
        missing = [n for n in names if n not in text and n not in ("self", "args", "kwargs", "cls")]
        assert not missing, f"{item.__qualname__} does not document {missing}"
