"""What lies in a folder: hidden entries are passed over, links are followed once, part names in any case."""

import pytest

from learnerkit.data.walk import files_below, files_in, folders_in, part_of_name


def test_hidden_entries_are_passed_over_and_links_followed_once(tmp_path):
    for name in ("b/2.png", "b/1.PNG", "a/3.png", ".hidden/4.png", "a/.5.png", "a/notes.txt"):
        (tmp_path / name).parent.mkdir(exist_ok=True)
        (tmp_path / name).write_text("")
    (tmp_path / "b" / "round").symlink_to(tmp_path)
    (tmp_path / "b" / "folder.png").mkdir()
    names = [str(path.relative_to(tmp_path)) for path in files_below(tmp_path, {".png"})]
    assert names == ["a/3.png", "b/1.PNG", "b/2.png", "b/folder.png"]  # a folder called like a file is named, not lost
    assert [path.name for path in folders_in(tmp_path)] == ["a", "b"]
    assert [path.name for path in files_in(tmp_path / "a", {".png"})] == ["3.png"]


@pytest.mark.parametrize(
    ("name", "part"),
    [("Train", "train"), ("VAL", "valid"), ("validation", "valid"), ("testing", "test"), ("tests", "")],
)
def test_part_names(name, part):
    assert part_of_name(name) == part
