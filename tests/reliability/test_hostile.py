"""Files that want to run code, claim memory or write elsewhere: nothing is executed, imported or written."""

import contextlib
import io
import json
import os
import pickle
import struct
import sys
import tarfile
import warnings
import zipfile

import numpy as np
import pytest
import torch

from learnerkit.all import load_model
from learnerkit.classify.cifar import read_cifar
from learnerkit.core.errors import LearnerkitError
from learnerkit.core.tensors import load_state, load_weights, read_npz
from learnerkit.core.unpickle import load_set_pickle
from tests.reliability.toy import run_fork

pytestmark = pytest.mark.reliability
TARGETS = """os.system os.popen os.execv os.remove posix.system subprocess.Popen subprocess.check_output builtins.eval
    builtins.exec builtins.open builtins.__import__ builtins.getattr importlib.import_module runpy.run_path pty.spawn
    shutil.rmtree socket.create_connection webbrowser.open timeit.timeit cProfile.run code.InteractiveInterpreter
    pickle.loads marshal.loads types.FunctionType ctypes.CDLL numpy.load torch.load torch.hub.load
    learnerkit_canary.strike""".split()


def forms(module, name):
    """The same call `module.name(argument)` in seven ways of pickle."""
    argument = "touch canary"

    def text(value):
        return b"X" + struct.pack("<I", len(value)) + value.encode()

    short = b"\x8c" + bytes([len(module)]) + module.encode() + b"\x8c" + bytes([len(name)]) + name.encode()
    head = f"c{module}\n{name}\n".encode()
    return {
        "global-reduce": head + text(argument) + b"\x85R.",
        "stack-global-reduce": b"\x80\x04" + short + b"\x93" + text(argument) + b"\x85R.",
        "inst": b"(" + text(argument) + f"i{module}\n{name}\n.".encode(),
        "obj": b"(" + head + text(argument) + b"o.",
        "newobj": b"\x80\x02" + head + text(argument) + b"\x85\x81.",
        "build": b"\x80\x02}(" + text("data") + head + text(argument) + b"\x85Ru.",
        "in a dict": b"\x80\x02}" + text("labels") + head + text(argument) + b"\x85Rs.",
    }


def cifar(path):
    load_set_pickle(path.read_bytes(), str(path))


def zipped(data):
    """The archive that torch.save writes, with this pickle in it."""
    plain, changed = io.BytesIO(), io.BytesIO()
    torch.save({"a": torch.ones(2)}, plain)
    with zipfile.ZipFile(plain) as source, zipfile.ZipFile(changed, "w") as target:
        for entry in source.namelist():
            target.writestr(entry, data if entry.endswith("data.pkl") else source.read(entry))
    return changed.getvalue()


def object_array(data):
    """An .npz whose one array says that it is of objects, and goes on with this pickle."""
    array, out = io.BytesIO(), io.BytesIO()
    np.lib.format.write_array_header_1_0(array, {"descr": "|O", "fortran_order": False, "shape": (1,)})
    with zipfile.ZipFile(out, "w") as target:
        target.writestr("a.npy", array.getvalue() + data)
    return out.getvalue()


LOADERS = {
    "a CIFAR batch": (cifar, lambda data: data),
    "a state, legacy": (load_state, lambda data: data),
    "a state, zipped": (load_state, zipped),
    "arrays": (read_npz, object_array),
    "weights": (load_weights, lambda data: data),
}
WATCHED = ("os.system", "os.exec", "os.posix_spawn", "subprocess.Popen", "socket.connect", "shutil.rmtree", "os.remove")


def attack(folder):
    """Every target in every form through every loader: (trials, what went wrong)."""
    os.chdir(folder)
    warnings.simplefilter("ignore")  # torch's about the protocol of a pickle
    os.environ["TORCH_FORCE_NO_WEIGHTS_ONLY_LOAD"] = "1"
    (folder / "learnerkit_canary.py").write_text("def strike(*a): open('canary', 'w')\n")
    sys.path.insert(0, str(folder))
    seen = []
    loading = [False]

    def watch(name, arguments):
        struck = name.startswith(WATCHED) or (name == "import" and "canary" in str(arguments[0]))
        if loading[0] and struck:
            seen.append(name)

    sys.addaudithook(watch)
    trials, wrong = 0, []
    for kind, (load, wrap) in LOADERS.items():
        for target in TARGETS:
            module, name = target.rsplit(".", 1)
            for form, data in forms(module, name).items():
                path = folder / "hostile.bin"
                path.write_bytes(wrap(data))
                modules, text = set(sys.modules), "loaded"
                loading[0] = True
                try:
                    load(path)
                except LearnerkitError as error:
                    text = str(error)
                loading[0] = False
                refused = "hostile.bin" in text
                if kind == "a CIFAR batch" and form in ("global-reduce", "stack-global-reduce", "build", "in a dict"):
                    refused = refused and f"{module}.{name}" in text
                imported = {
                    name for name in set(sys.modules) - modules if "canary" in name or name.split(".")[0] in target
                }
                trials += 1
                if not refused or seen or imported or (folder / "canary").exists():
                    wrong.append(f"{kind}, {form}, {target}: {text[:200]} {seen} {imported}")
    return trials, wrong[:5]


def control(folder):
    """How many of the forms plain pickle runs."""
    os.chdir(folder)
    (folder / "learnerkit_canary.py").write_text("def strike(*a): open('canary', 'w')\n")
    sys.path.insert(0, str(folder))
    struck = 0
    for data in forms("learnerkit_canary", "strike").values():
        with contextlib.suppress(Exception):
            pickle.loads(data)
        struck += (folder / "canary").exists()
        (folder / "canary").unlink(missing_ok=True)
    return struck


def test_hostile_pickles(tmp_path, gate):
    for name in ("attack", "control"):
        (tmp_path / name).mkdir()
    struck = run_fork(control, tmp_path / "control")
    held = gate(
        "hostile pickles: 29 targets x 7 opcode forms x 5 loaders, with torch's unsafe switch set in the environment",
        "0 executed, 0 imported; the refusal names file and global",
        f"`pickle.loads` runs {struck} of the 7 forms; fastai `load_learner` and SaveModelCallback run them",
        least=1000,
    )
    trials, wrong = run_fork(attack, tmp_path / "attack")
    for _ in range(trials - len(wrong)):
        held.trial(True)
    for text in wrong:
        held.trial(False, text)
    assert len(TARGETS) == 29 and struck >= 5


BATCH = pickle.dumps({"data": np.zeros((2, 3072), np.uint8), "labels": [0, 1]}, protocol=2)
META = pickle.dumps({"label_names": ["a", "b"]}, protocol=2)


def members(outside):
    """Official members, and what each hostile kind adds: (name, type, link target, size claimed, content)."""
    good = [(f"cifar-10-batches-py/data_batch_{i}", "file", "", None, BATCH) for i in range(1, 6)]
    good += [
        ("cifar-10-batches-py/test_batch", "file", "", None, BATCH),
        ("cifar-10-batches-py/batches.meta", "file", "", None, META),
    ]
    kinds = {
        "parent": [("../evil", "file", "", None, b"x")],
        "parent named like a batch": [("../data_batch_1", "file", "", None, BATCH)],
        "absolute": [(str(outside / "evil"), "file", "", None, b"x")],
        "symbolic link": [("link", "symlink", "/etc", None, b""), ("link/evil", "file", "", None, b"x")],
        "symbolic link as a batch": [("data_batch_1", "symlink", "/etc/passwd", None, b"")],
        "hard link": [("evil", "hardlink", "../../outside", None, b"")],
        "device": [("data_batch_2", "device", "", None, b"")],
        "fifo": [("data_batch_3", "fifo", "", None, b"")],
        "setuid": [("evil", "setuid", "", None, b"x")],
        "bomb": [("data_batch_4", "file", "", 2**40, b"x")],
        "duplicate": [("cifar-10-batches-py/test_batch", "file", "", None, b"junk")],
        "many": [(f"many/{i}", "file", "", None, b"") for i in range(3000)],
        "hostile pickle": [("data_batch_5", "file", "", None, b"cos\nsystem\n(X\x05\x00\x00\x00touchtR.")],
        "cut": [],
    }
    return good, kinds


TYPES = {"file": tarfile.REGTYPE, "setuid": tarfile.REGTYPE, "symlink": tarfile.SYMTYPE, "hardlink": tarfile.LNKTYPE}
TYPES |= {"device": tarfile.CHRTYPE, "fifo": tarfile.FIFOTYPE}


def write_tar(path, entries):
    with tarfile.open(path, "w:gz") as archive:
        for name, kind, target, size, content in entries:
            member = tarfile.TarInfo(name)
            member.type, member.linkname, member.size = TYPES[kind], target, len(content)
            member.mode = 0o4755 if kind == "setuid" else 0o644
            if size:  # a header that claims more than there is
                member.size = size
                archive.fileobj.write(member.tobuf())
                continue
            archive.addfile(member, io.BytesIO(content))


def write_zip(path, entries):
    with zipfile.ZipFile(path, "w") as archive:
        for name, kind, target, _, content in entries:
            info = zipfile.ZipInfo(name)
            if kind == "symlink":
                info.external_attr, content = 0o120777 << 16, target.encode()
            archive.writestr(info, content)


def tree(folder):
    return {str(path.relative_to(folder)): path.lstat().st_size for path in folder.rglob("*")}


def test_hostile_archives(tmp_path, gate):
    good, kinds = members(tmp_path)
    held = gate(
        "hostile archives: 14 kinds x tar, zip",
        "0 bytes outside, 0 files written; read or refused by name",
        "`shutil.unpack_archive`, which fastai's untar_data calls, writes outside on Python 3.11",
        least=28,
    )
    for kind, extra in kinds.items():
        for suffix, write in ((".tar.gz", write_tar), (".zip", write_zip)):
            folder = tmp_path / f"{kind}{suffix}"
            folder.mkdir()
            path = folder / f"set{suffix}"
            with warnings.catch_warnings():
                warnings.simplefilter("ignore")  # zipfile's own about duplicates
                write(path, good + extra)
            if kind == "cut":
                path.write_bytes(path.read_bytes()[:-200])
            before, text = tree(tmp_path), "read"
            try:
                read_cifar(path)
            except LearnerkitError as error:
                text = str(error)
            held.trial(tree(tmp_path) == before and (text == "read" or path.name in text), f"{folder.name}: {text}")


def test_a_model_folder_cannot_name_code(tmp_path):
    (tmp_path / "m").mkdir()
    (tmp_path / "m" / "model.json").write_text(json.dumps({"name": "os:system", "n_in": 3, "n_out": 2}))
    with pytest.raises(LearnerkitError):
        load_model(tmp_path / "m")
