"""Atomic files, ledgers, tensors and the restricted unpickler."""

import io
import pickle
import resource
import signal

import numpy as np
import pytest
import torch

from learnerkit.core import files, tensors
from learnerkit.core.errors import DataError, LearnerkitError, RecipeError, UnsafeFileError, check_keys, nearest
from learnerkit.core.seed import kept_random_state, seed_of, seed_position
from learnerkit.core.unpickle import load_set_pickle


def test_atomic_write_replaces_and_leaves_nothing_else(tmp_path):
    path = tmp_path / "a.txt"
    files.atomic_write(path, "one")
    files.atomic_write(path, b"two")
    assert path.read_text() == "two" and [p.name for p in tmp_path.iterdir()] == ["a.txt"]


def test_a_full_disk_keeps_the_old_file_and_says_how_much_was_needed(tmp_path):
    path = tmp_path / "a.bin"
    files.atomic_write(path, b"old")
    soft, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
    handler = signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
    resource.setrlimit(resource.RLIMIT_FSIZE, (1000, hard))
    try:
        with pytest.raises(LearnerkitError, match=r"a\.bin.*5,000 bytes needed"):
            files.atomic_write(path, b"x" * 5000)
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, (soft, hard))
        signal.signal(signal.SIGXFSZ, handler)
    assert path.read_bytes() == b"old" and len(list(tmp_path.iterdir())) == 1


def test_ledger_drops_a_torn_last_line_only(tmp_path):
    path = tmp_path / "history.jsonl"
    for n in range(3):
        files.append_line(path, files.to_json({"n": n}, indent=None))
    with path.open("a") as file:
        file.write('{"n": 3')
    assert [row["n"] for row in files.read_ledger(path)] == [0, 1, 2]
    path.write_text('{"n": 0}\n{"n"\n{"n": 2}\n')
    with pytest.raises(DataError, match="line 2"):
        files.read_ledger(path)


def test_json_of_odd_values(tmp_path):
    path = files.write_json(tmp_path / "a.json", {"x": float("nan"), "y": np.float32(2), "z": tmp_path, "s": {2, 1}})
    assert files.read_json(path) == {"x": None, "y": 2.0, "z": str(tmp_path), "s": [1, 2]}
    with pytest.raises(DataError, match="no such file"):
        files.read_json(tmp_path / "b.json")
    (tmp_path / "c.yaml").write_text("- 1")
    with pytest.raises(RecipeError, match="mapping"):
        files.read_yaml(tmp_path / "c.yaml")


def test_state_round_trip_in_plain_types(tmp_path):
    state = {"lr": np.float64(0.5), "t": torch.ones(2), "l": [1, (2, "x")], "n": None}
    files.atomic_write(tmp_path / "s.pt", tensors.state_bytes(state))
    loaded = tensors.load_state(tmp_path / "s.pt")
    assert loaded["lr"] == 0.5 and type(loaded["lr"]) is float and loaded["l"] == [1, (2, "x")]
    with pytest.raises(TypeError):
        tensors.plain_state(object())


class Hostile:
    def __reduce__(self):
        return (print, ("executed",))


def test_hostile_state_and_arrays_are_refused(tmp_path, capsys):
    torch.save({"a": Hostile()}, tmp_path / "s.pt")
    with pytest.raises(UnsafeFileError, match=r"s\.pt"):
        tensors.load_state(tmp_path / "s.pt")
    np.savez(tmp_path / "a.npz", x=np.array([Hostile()], dtype=object))
    with pytest.raises(DataError, match=r"a\.npz"):
        tensors.read_npz(tmp_path / "a.npz")
    (tmp_path / "w.safetensors").write_bytes(b"\xff" * 64)
    with pytest.raises(DataError, match=r"w\.safetensors"):
        tensors.load_weights(tmp_path / "w.safetensors")
    assert "executed" not in capsys.readouterr().out


def batch_bytes(protocol=2, **changes):
    batch = {"data": np.arange(3072 * 2, dtype=np.uint64).astype(np.uint8).reshape(2, -1), "labels": [1, 0], "n": b"x"}
    return pickle.dumps({**batch, **changes}, protocol=protocol)


@pytest.mark.parametrize("protocol", [0, 1, 2, 3, 4, 5])
def test_unpickler_reads_what_pickle_reads(protocol):
    if protocol == 0:  # it escapes bytes as text
        data = pickle.dumps({"labels": [1, 0]}, protocol=protocol)
        assert load_set_pickle(data, "f") == {"labels": [1, 0]}
        return
    read = load_set_pickle(batch_bytes(protocol), "f")
    assert np.array_equal(read["data"], pickle.loads(batch_bytes(protocol))["data"])
    assert read["labels"] == [1, 0]


def test_unpickler_reads_the_official_form(real_data):
    raw = (real_data / "cifar-10-batches-py" / "data_batch_1").read_bytes()
    ours, reference = load_set_pickle(raw, "f"), pickle.loads(raw, encoding="latin1")
    assert np.array_equal(ours["data"], reference["data"])
    assert ours["labels"] == reference["labels"] and ours["filenames"] == reference["filenames"]


@pytest.mark.parametrize("target", ["os.system", "builtins.eval", "torch.hub.load", "numpy.load", "subprocess.Popen"])
def test_unpickler_refuses_every_other_name_and_runs_nothing(target):
    module, name = target.rsplit(".", 1)
    code = f"c{module}\n{name}\n(S'true'\ntR.".encode()
    with pytest.raises(UnsafeFileError, match=target.replace(".", r"\.")):
        load_set_pickle(code, "batch")


@pytest.mark.parametrize("protocol", [2, 4, 5])
def test_unpickler_reads_arrays_of_numbers_and_text(protocol):
    arrays = {
        "f": np.linspace(0, 1, 6, dtype=np.float32).reshape(2, 3),
        "order": np.asfortranarray(np.arange(6, dtype=">i4").reshape(2, 3)),
        "text": np.array(["a", "\u00e9t\u00e9"]),
        "flag": np.array([True, False]),
    }
    read = load_set_pickle(
        pickle.dumps({**arrays, "n": np.int64(7), "names": np.array(["x", "y"], object)}, protocol), "f"
    )
    assert all(np.array_equal(read[key], array) and read[key].dtype.isnative for key, array in arrays.items())
    assert read["n"] == 7 and read["names"] == ["x", "y"]
    assert np.array_equal(load_set_pickle(pickle.dumps(arrays["f"], protocol), "f")["data"], arrays["f"])


def test_unpickler_refuses_other_arrays_and_damage():
    for bad in (np.zeros(3, "V8"), np.zeros(3, "M8[s]"), np.zeros(3, complex), np.array([print, [1]], dtype=object)):
        with pytest.raises(DataError):
            load_set_pickle(batch_bytes(data=bad), "batch")
    with pytest.raises(DataError, match="batch: is truncated"):
        load_set_pickle(batch_bytes()[:-200], "batch")
    with pytest.raises(DataError, match="dict"):
        load_set_pickle(pickle.dumps([1]), "batch")
    with pytest.raises(DataError):
        load_set_pickle(io.BytesIO(b"\x80\x02" + b"\x8a\xff" + b"\x00" * 300).getvalue(), "batch")


def test_seeds_are_functions_of_the_position():
    assert seed_of(1, 2, 3) == seed_of(1, 2, 3) != seed_of(1, 3, 2)
    seed_position(7, 0)
    first = torch.rand(3)
    seed_position(7, 1)
    assert not torch.equal(first, torch.rand(3))
    seed_position(7, 0)
    assert torch.equal(first, torch.rand(3))


def test_random_state_is_given_back():
    torch.manual_seed(5)
    expected = torch.rand(2)
    torch.manual_seed(5)
    with kept_random_state():
        seed_position(9)
        torch.rand(10)
    assert torch.equal(torch.rand(2), expected)


def test_nearest_names():
    assert "did you mean epochs" in nearest("epoch", ["epochs", "lr"])
    assert nearest("zzz", ["b", "a"]) == "known: a, b"
    assert nearest("zzz", [f"n{n}" for n in range(1300)]) == "1,300 are known, such as n0, n1, n10, n100, n1000, " + (
        "n1001, n1002, n1003"
    )
    assert check_keys(["lr", "epchs"], ["epochs", "lr"], "train") == [
        "train: unknown key 'epchs'; did you mean epochs?"
    ]


def test_what_is_no_npz_file_is_told_without_advice_to_unpickle(tmp_path):
    (tmp_path / "a.npz").write_bytes(b"garbage")
    with pytest.raises(DataError, match=r"a\.npz: is no npz file, or is damaged$"):
        tensors.read_npz(tmp_path / "a.npz")
    np.savez(tmp_path / "b.npz", a=np.array([None], dtype=object))
    with pytest.raises(DataError, match=r"b\.npz: is not a readable npz file \(Object arrays"):
        tensors.read_npz(tmp_path / "b.npz")
