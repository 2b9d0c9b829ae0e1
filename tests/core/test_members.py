"""Who was in which part of a run, and what belonged together."""

import gzip
import json

import numpy as np
import pytest

from learnerkit.core.errors import DataError
from learnerkit.core.members import FILE, groups_of, read_members, write_members

ROWS = {"train": [0, 3], "valid": [], "test": [4, 1, 2]}


def test_members_come_back_with_their_groups(tmp_path):
    write_members(tmp_path, list("abcde"), None, ROWS, np.array([7, 8, 8, 7, 9]))
    members = read_members(tmp_path)
    assert members.ids == {"train": ["a", "d"], "valid": [], "test": ["e", "b", "c"]}
    assert members.groups == {"train": ["7", "7"], "valid": [], "test": ["9", "8", "8"]}
    assert groups_of(tmp_path, "test", ["b", "e", "c"]).tolist() == [0, 1, 0]  # in the order that is asked for
    assert groups_of(tmp_path, "valid", []) is None


@pytest.mark.parametrize("groups", [None, [0, 1, 2, 3, 4]])
def test_samples_that_stand_alone_have_no_groups(tmp_path, groups):
    write_members(tmp_path, list("abcde"), None, ROWS, groups)
    assert groups_of(tmp_path, "test", ["b"]) is None
    assert json.loads(gzip.decompress((tmp_path / FILE).read_bytes()))["train"] == [["a", ""], ["d", ""]]  # as ever


def test_a_run_without_members_has_no_groups_and_a_damaged_file_is_said(tmp_path):
    assert groups_of(tmp_path, "test", ["b"]) is None
    (tmp_path / FILE).write_bytes(gzip.compress(b'{"train": [[]]}'))
    with pytest.raises(DataError, match=FILE):
        groups_of(tmp_path, "test", ["b"])
    (tmp_path / FILE).write_bytes(gzip.compress(json.dumps({p: [["a", "", "g"], ["b", ""]] for p in ROWS}).encode()))
    with pytest.raises(DataError, match="of 2 samples 1 have a group"):
        groups_of(tmp_path, "test", ["b"])
