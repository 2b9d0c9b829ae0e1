"""A run of several ranks: the first one keeps its folder, and the others train the same."""

import logging
from typing import Any

from learnerkit.core import ranks
from learnerkit.core.run_folder import RunFolder

log = logging.getLogger(__name__)
FREE = ("threads",)  # follows from the number of processes on a machine
AGAIN_S = 3.0  # torchrun passes on a Ctrl-C that each rank had from the terminal already: within so long it is the same


def described_ranks(learn: Any) -> dict[str, Any]:
    """What run.json says of the ranks that train a run; nothing of one."""
    if ranks.world() == 1:
        return {}
    bs, world = learn.dls.train.bs, ranks.world()
    shares = [len(range(rank, bs, world)) for rank in range(world)]
    return {"ranks": {"number": world, "backend": ranks.backend(), "bs": shares}}


def tell_others(keeper: Any) -> None:
    """Let every rank begin where the first one does: it alone has looked into the folder."""
    learn, place = keeper.learn, None if keeper.folder is None else str(keeper.folder.path)
    learn.current.state, keeper.trains, learn.run_place = ranks.first((learn.current.state, keeper.trains, place))


def other_number(folder: RunFolder) -> str | None:
    """What to say where a run goes on with another number of ranks than it was trained on last; None for the same."""
    described = folder.described()
    before = described.get("ranks", {}).get("number", 1)
    before = next((one["ranks"] for one in reversed(described.get("resumes", [])) if "ranks" in one), before)
    if before == (now := ranks.world()):
        return None
    return (
        f"{folder.path}: was trained on {before} rank(s) and goes on with {now}: its batches stay the same, and within "
        "them the order of samples, the sums and the draws of augmentation and dropout differ, so that the weights "
        f"are not those of {before} to the last bit; run.json says so"
    )
