"""The summary of a detector: fastai's own follows modules that give tensors alone."""

from torch import Tensor

from learnerkit._fastai import Learner, PrettyString
from learnerkit.models.summary import layers_of, shape_text

WIDTH = 76


def summary_of(learn: Learner) -> PrettyString:
    """Layers, parameters, optimizer, loss and callbacks of a learner, in the words of fastai's summary."""
    model, batch = learn.model, learn.dls.train.one_batch()
    inputs = [part[:1].as_subclass(Tensor) for part in batch[: learn.dls.train.n_inp]]
    text = [f"{type(model).__name__} (Input shape: {shape_text(batch[0])})", "=" * WIDTH]
    text += [f"{'Layer (type)':<52}{'Output Shape':<32}{'Param #':<11}Trainable", "=" * WIDTH]
    for layer in layers_of(model, *inputs):
        count, trained = (f"{layer.parameters:,}", layer.trained) if layer.parameters else ("", "")
        text.append(f"{f'{layer.name} ({layer.kind})':<52}{layer.shape:<32}{count:<11}{trained}")
    parameters = list(model.parameters())
    total = sum(parameter.numel() for parameter in parameters)
    trained = sum(parameter.numel() for parameter in parameters if parameter.requires_grad)
    text += ["_" * WIDTH, "", f"Total params: {total:,}", f"Total trainable params: {trained:,}"]
    text += [f"Total non-trainable params: {total - trained:,}", ""]
    text += [f"Optimizer used: {learn.opt_func}", f"Loss function: {learn.loss_func}", ""]
    if learn.opt is not None:
        frozen = learn.opt.frozen_idx
        text += ["Model unfrozen" if not frozen else f"Model frozen up to parameter group #{frozen}", ""]
    text += ["Callbacks:", *(f"  - {cb}" for cb in learn.cbs.sorted("order"))]
    return PrettyString("\n".join(text))
