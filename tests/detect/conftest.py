"""Fixtures of detection's tests."""

import pytest

from tests.scenes import write_scenes


@pytest.fixture
def scenes(tmp_path):
    return write_scenes(tmp_path / "set")
