"""Checkpoint folders: complete or absent, the newest good one found."""

import os

import pytest

from learnerkit.core import checkpoint, fsops


def test_a_backup_of_a_checkpoint_does_no_harm(tmp_path):
    made = checkpoint.commit(tmp_path, 1, 10, {"a": b"1"})
    made.path.rename(tmp_path / (made.path.name + ".bak"))
    (tmp_path / "best.json").write_text("damaged")
    checkpoint.commit(tmp_path, 2, 20, {"a": b"1"})
    assert checkpoint.newest(tmp_path)[0].step == 20


FILES = {"a": b"x" * 50}


def test_new_checkpoints_are_kept_where_newer_ones_are_damaged(tmp_path):
    for epoch, step in ((5, 20), (8, 32), (9, 36)):
        checkpoint.commit(tmp_path, epoch, step, FILES, keep_last=9)
    for epoch, step in ((8, 32), (9, 36)):
        (tmp_path / checkpoint.folder_name(epoch, step) / "a").write_bytes(b"damaged")
    used, faults = checkpoint.newest(tmp_path)
    assert used.epoch == 5 and len(faults) == 2
    checkpoint.set_aside(tmp_path, used)
    new = checkpoint.commit(tmp_path, 6, 24, FILES)
    assert new.path.exists() and checkpoint.newest(tmp_path)[0].epoch == 6
    assert len(list(tmp_path.glob(".bad-*"))) == 2


def test_a_kill_between_the_two_renames_loses_nothing(tmp_path):
    checkpoint.commit(tmp_path, 1, 4, FILES)
    plain, renames = fsops.replace, []

    def killed(source, target):
        renames.append(source)
        if source.name.startswith(".tmp-"):
            raise KeyboardInterrupt
        plain(source, target)

    os.replace(tmp_path / checkpoint.folder_name(1, 4), tmp_path / f".del-{checkpoint.folder_name(1, 4)}")
    checkpoint.recover(tmp_path)  # what a resume does first
    assert checkpoint.newest(tmp_path)[0].step == 4
    fsops.replace = killed
    try:
        with pytest.raises(KeyboardInterrupt):
            checkpoint.commit(tmp_path, 1, 4, FILES)
    finally:
        fsops.replace = plain
    assert checkpoint.newest(tmp_path)[0].step == 4
