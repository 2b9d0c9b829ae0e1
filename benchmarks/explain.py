"""Images a second of Grad-CAM: learnerkit beside captum and pytorch-grad-cam, and beside the passes that it is made of.

python benchmarks/explain.py [--rounds 5]
"""

import sys
import time

from kit.command import main
from kit.question import Contender, Setting, Table

SIZE, CODE, BS = 224, 3, 16


def parts(setting: Setting):
    """The model, its last block and the images, the same for all; torchvision's resnet18 as it is drawn."""
    import torch
    from torchvision.models import resnet18

    torch.manual_seed(0)
    model = resnet18(num_classes=10).eval()
    return model, model.layer4[-1], torch.randn(setting.of(4, 16, 32), 3, SIZE, SIZE)


def timed(images, explain):
    """Images a second, and the mean of the maps after each is brought to 0..1, which shows that they are the same."""
    import torch

    start, made = time.perf_counter(), []
    for batch in images.split(BS):
        made.append(explain(batch))
    rate = len(images) / (time.perf_counter() - start)
    if made[0] is None:
        return {"figure": rate, "mean": ""}
    maps = torch.cat([torch.as_tensor(one).detach().float().reshape(len(one), 1, *one.shape[-2:]) for one in made])
    maps = torch.nn.functional.adaptive_avg_pool2d(maps.relu(), 7).flatten(1)
    maps = maps / maps.amax(dim=1, keepdim=True).clamp_min(1e-12)
    return {"figure": rate, "mean": f"{float(maps.mean()):.3f}"}


def forward(setting: Setting):
    import torch

    model, _, images = parts(setting)

    @torch.no_grad()
    def one(batch):
        model(batch)

    return lambda: timed(images, one)


def both(setting: Setting):
    import torch

    model, _, images = parts(setting)
    body = torch.nn.Sequential(*[part for name, part in model.named_children() if name not in ("avgpool", "fc")])
    head = torch.nn.Sequential(model.avgpool, torch.nn.Flatten(), model.fc)

    def one(batch):
        with torch.no_grad():
            features = body(batch)
        features = features.requires_grad_()
        torch.autograd.grad(head(features)[:, CODE].sum(), features)

    return lambda: timed(images, one)


def learnerkit(setting: Setting):
    from learnerkit.all import gradcam

    model, _, images = parts(setting)
    return lambda: timed(images, lambda batch: gradcam(model, batch, CODE))


def captum(setting: Setting):
    from captum.attr import LayerGradCam

    model, layer, images = parts(setting)
    cam = LayerGradCam(model, layer)
    return lambda: timed(images, lambda batch: cam.attribute(batch, CODE, relu_attributions=True))


def grad_cam(setting: Setting):
    from pytorch_grad_cam import GradCAM
    from pytorch_grad_cam.utils.model_targets import ClassifierOutputTarget

    model, layer, images = parts(setting)
    cam = GradCAM(model, [layer])
    return lambda: timed(images, lambda batch: cam(batch, [ClassifierOutputTarget(CODE)] * len(batch)))


TABLES = {
    "gradcam": Table(
        title="Grad-CAM beside the passes that it is made of",
        asks="How fast is Grad-CAM of the last block of torchvision's resnet18 as drawn, images of 224 pixels, batches "
        "of 16? The maps' mean, each at 7x7 and divided by its greatest value, shows that they agree (enlarging "
        "smooths).",
        unit="images/s",
        contenders={
            "forward, without gradients": Contender(forward),
            "forward, backward to the last block": Contender(both),
            "captum LayerGradCam": Contender(captum, "its maps stay at 7x7"),
            "pytorch-grad-cam": Contender(grad_cam, "its maps are enlarged to the image"),
            "learnerkit `gradcam`": Contender(learnerkit, "finds the layer itself; enlarged to the image"),
        },
        base="forward, backward to the last block",
        more=True,
        columns={"mean of the maps": "mean"},
    )
}

if __name__ == "__main__":
    sys.exit(main("explain"))
