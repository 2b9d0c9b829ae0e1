"""The confidence from which on views are left out: where it is kept, and for what it holds."""

import pytest

from learnerkit.all import RecipeError, RunError, evaluate_run, fusion_learner, saliency_dls
from learnerkit.core.files import read_json, write_json
from learnerkit.core.run_folder import RunFolder
from learnerkit.fuse.model import Fused
from learnerkit.learner.measure import quick_to_predict
from learnerkit.runs.evaluations import fitted_until
from learnerkit.runs.recipes import load_recipe
from tests.pairs import write_pairs


def measured(place, until, fitted=True, tta=4, **further):
    place.mkdir(parents=True, exist_ok=True)
    said = {"tta_until": until, "tta_until_fitted": fitted, "tta_views": tta, **further}
    write_json(place / "results.json", said)


def test_auto_takes_what_was_fitted_for_the_same_views_and_weights(tmp_path):
    run = RunFolder(tmp_path)
    measured(tmp_path / "evaluations" / "own-tta4-until0.5", 0.5, fitted=False, weights="best")
    measured(tmp_path / "evaluations" / "other-tta4-untilauto", 0.7, weights="best")
    with pytest.raises(RunError, match=r"was not yet for 4 views of its best weights.*--tta 4 --until auto\)"):
        fitted_until(run, "best", 4)
    measured(tmp_path, 0.9)
    assert fitted_until(run, "best", 4) == 0.9
    with pytest.raises(RunError, match="for 16 views"):
        fitted_until(run, "best", 16)
    with pytest.raises(RunError, match="--until auto --weights final"):
        fitted_until(run, "final", 4)
    measured(tmp_path / "evaluations" / "own-tta4-untilauto-final", 0.8, weights="final")
    assert (fitted_until(run, "final", 4), fitted_until(run, "best", 4)) == (0.8, 0.9)
    measured(tmp_path, 1.0000001)
    with pytest.warns(UserWarning, match="all views are taken of all"):
        assert fitted_until(run, "best", 4) is None


def test_a_recipe_that_leaves_views_out_and_has_none_is_refused_before_it_trains(tmp_path):
    file = tmp_path / "a.yaml"
    file.write_text("task: classify\ndata: {path: digits}\nevaluate: {until: auto}\n")
    with pytest.raises(RecipeError) as refused:
        load_recipe(file, {})
    assert "evaluate.until: " in str(refused.value) and "tta: 16" in str(refused.value)
    assert load_recipe(file, {"tta": 4}).evaluate.until == "auto"


@pytest.mark.slow
def test_until_on_the_command_line(command, digits_run):
    assert command("evaluate", digits_run, "--tta", 4, "--until", 0.9)[0] == 0
    said = read_json(digits_run / "evaluations" / "own-tta4-until0.9" / "results.json")
    assert said["tta_until"] == 0.9 and not said["tta_until_fitted"] and 1 <= said["test_passes_tta"] <= 4
    _, fitted = evaluate_run(digits_run, tta=4, until="auto")
    assert fitted_until(RunFolder(digits_run), "best", 4) == fitted["tta_until"] != 0.9


def test_a_fused_model_predicts_with_its_norms_folded(tmp_path):
    write_pairs(tmp_path / "pairs", n=24)
    dls = saliency_dls(tmp_path / "pairs", bs=8, cache=tmp_path / "cache", num_workers=0)
    learn = fusion_learner(dls, "wrn_10_1", fusion="concat")
    own, expected = learn.model, learn.get_preds()[0]
    with quick_to_predict(learn):
        assert learn.model is own and isinstance(vars(own)["forward"].__self__, Fused)
        assert learn.get_preds()[0].allclose(expected, atol=1e-4)
    assert learn.model is own and "forward" not in vars(own)
