"""Which samples of a part are copies or near copies of training samples: a test accuracy is too good by them."""

import numpy as np

from learnerkit.data.near_copies import near_copies_across
from learnerkit.data.source import Source
from learnerkit.data.split import Split


def twins_in_train(source: Source, split: Split, part: str) -> np.ndarray:
    """Whether each sample of a part has a twin in the training part, bool [N].

    source: whose `copies` say which samples are equal, and whose thumbnails near copies are found by, where it has any.
    part: 'valid' or 'test'.
    """
    rows = getattr(split, part)
    found = np.zeros(len(rows), bool)
    if source.copies is not None:
        found |= np.isin(source.copies[rows], source.copies[split.train])
    if getattr(source, "thumbnails", None) is not None:
        pairs = near_copies_across(source, split)
        near = {pair.name for pair in pairs if (pair.part, pair.other_part) == (part, "train")}
        found |= np.array([source.ids[row] in near for row in rows], bool)
    return found
