"""Training a recipe to its end."""

import pytest

from learnerkit.runs.recipes import load_recipe
from learnerkit.runs.train import train


def test_a_run_killed_before_its_evaluation_is_only_measured(tmp_path):
    recipe = load_recipe("digits", {"epochs": "1", "limit": "300", "bs": "32", "keep_checkpoints": False, "tta": "0"})
    folder = train(recipe, tmp_path, "a")
    folder.file("predictions.npz").unlink()  # as a kill between fit and evaluation leaves it
    before, history = folder.file("best_model.safetensors").read_bytes(), folder.history()
    again = train(recipe, tmp_path, "a", resume=True)
    assert again.file("predictions.npz").exists() and again.history() == history
    assert again.file("best_model.safetensors").read_bytes() == before
    with pytest.warns(UserWarning, match="trained and measured already"):
        train(recipe, tmp_path, "a", resume=True)


@pytest.mark.parametrize("arch", ["resnet18_imagenet", "mobilenet_v3_tiny"])
def test_a_dropout_that_a_model_has_not_is_refused_with_the_remedy(command, arch):
    code, _, errors = command("train", "digits", "--arch", arch, "--limit", "80", "--epochs", "1")
    assert code == 2
    if arch == "resnet18_imagenet":
        assert (
            "model.dropout: resnet18_imagenet has none, and the recipe says 0.2; leave it out by --dropout null"
            in errors
        )
    else:
        assert "did you mean" in errors  # another fault has its own words
