"""The blocks of images and labels for a DataBlock, ours or one's own."""

from learnerkit._fastai import TransformBlock
from learnerkit.classify.files import FileImages
from learnerkit.classify.items import AsImage, FileRows, ImageRows, LabelRows
from learnerkit.classify.source import ImageSource
from learnerkit.classify.transforms import BytesToFloat
from learnerkit.core.ranges import AtLeastOne, checked
from learnerkit.data.drawn import DrawnDL
from learnerkit.data.resident import ResidentDL


@checked
def CifarBlock(
    source: ImageSource | None = None, shape: tuple[AtLeastOne, AtLeastOne, AtLeastOne] = (3, 32, 32)
) -> TransformBlock:
    """A block of small images for one's own DataBlock; brings the resident loader with it, and floats in the batch.

    source: the set whose row numbers are the items; without one the items are paths, PIL images or uint8 arrays. A set
        of files that does not fit in memory brings fastai's streaming loader instead.
    shape: channels, height and width, for items without a source.

    Examples:
        >>> from learnerkit.classify.digits import read_digits
        >>> digits = read_digits()
        >>> dls = DataBlock([CifarBlock(digits), LabelBlock(digits)]).dataloaders(range(len(digits)), bs=16)
        >>> dls.one_batch()[0].shape
        torch.Size([16, 1, 32, 32])
    """
    block = rows_block(source) if source is not None else TransformBlock(type_tfms=AsImage(shape), dl_type=ResidentDL)
    block.batch_tfms.append(BytesToFloat())
    return block


def rows_block(source: ImageSource) -> TransformBlock:
    """The block of a set's images as they are stored, uint8."""
    if isinstance(source.images, FileImages):
        return TransformBlock(type_tfms=FileRows(source.images), dl_type=DrawnDL)
    return TransformBlock(type_tfms=ImageRows(source.images, source.resize), dl_type=ResidentDL)


def LabelBlock(source: ImageSource) -> TransformBlock:
    """The block of class labels that goes with `CifarBlock(source)`.

    source: the set whose row numbers are the items.

    Examples:
        >>> from learnerkit.classify.digits import read_digits
        >>> digits = read_digits()
        >>> dls = DataBlock([CifarBlock(digits), LabelBlock(digits)]).dataloaders(range(len(digits)), bs=16)
        >>> dls.vocab[:3]
        ['0', '1', '2']
    """
    return TransformBlock(type_tfms=LabelRows(source.labels, source.vocab))
