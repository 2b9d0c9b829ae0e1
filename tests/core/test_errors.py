"""What an error says."""

from learnerkit.core.errors import stopped


def test_a_stop_names_the_run_where_it_is_known():
    said = "`learnerkit train --resume RUN` goes on from it"
    known = stopped(KeyboardInterrupt(15, "runs/digits/a"), said)
    assert str(known) == "stopped. `learnerkit train --resume runs/digits/a` goes on from it"
    assert known.exit_code == 143
    assert str(stopped(KeyboardInterrupt(), said)) == f"stopped. {said}"
