"""The run folder's files."""

from learnerkit.core.run_folder import cut_csv


def test_an_empty_or_torn_table_of_batches_does_not_stop_a_resume(tmp_path):
    path = tmp_path / "batch_metrics.csv"
    for text, kept, left in (("", 0, None), ("step,epo", 0, None), ("step,a\n1,x\n2,x\n3", 2, "step,a\n1,x\n2,x\n")):
        path.write_text(text)
        assert cut_csv(path, 5) == kept and (path.read_text() if path.exists() else None) == left
