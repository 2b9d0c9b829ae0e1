"""What was checked once is not checked again, and a spoiled memory of it costs time alone."""

import pytest
from PIL import Image

from learnerkit.all import verify
from tests.images import image_folder


def test_a_passing_fault_is_not_remembered(tmp_path, monkeypatch):
    root = image_folder(tmp_path / "images", 12)
    plain, failing = Image.open, [True]

    def sometimes(file):
        if failing and str(file).endswith("000.png"):
            raise OSError(24, "Too many open files")
        return plain(file)

    monkeypatch.setattr(Image, "open", sometimes)
    assert len(verify(root).faults) == 1
    failing.clear()
    assert verify(root)


@pytest.mark.parametrize("content", ["null", "5", "{", '{"a": 1}'])
def test_a_spoiled_cache_costs_time_alone(tmp_path, monkeypatch, content):
    monkeypatch.setenv("LEARNERKIT_HOME", str(tmp_path / "home"))
    root = image_folder(tmp_path / "images", 12)
    assert verify(root)
    (cache,) = (tmp_path / "home" / "checked").iterdir()
    cache.write_text(content)
    assert verify(root)


def test_a_home_that_cannot_be_written_costs_time_alone(tmp_path, monkeypatch):
    (tmp_path / "file").write_text("")
    monkeypatch.setenv("LEARNERKIT_HOME", str(tmp_path / "file" / "below"))
    assert verify(image_folder(tmp_path / "images", 12))
