"""Images a second of Grad-CAM: learnerkit beside captum and pytorch-grad-cam, and beside the passes that it is made of.

    python benchmarks/explain.py [--rounds 5] [--bs 16]

torchvision's resnet18 with weights as they are drawn, 64 images of 224 pixels, its last block, float32. Contenders take
turns in one process; medians of the rounds are printed. 'forward' records no gradients; 'forward, backward' goes back
from the logits to the last block alone, as Grad-CAM has to.
"""

import argparse
import statistics
import time

import torch
from captum.attr import LayerGradCam
from pytorch_grad_cam import GradCAM
from pytorch_grad_cam.utils.model_targets import ClassifierOutputTarget

from learnerkit.all import create_model, gradcam, target_layer

IMAGES, SIZE, CODE = 64, 224, 3


def contenders(model, layer):
    captum = LayerGradCam(model, layer)
    body = torch.nn.Sequential(*[part for name, part in model.named_children() if name not in ("avgpool", "fc")])
    head = torch.nn.Sequential(model.avgpool, torch.nn.Flatten(), model.fc)

    def forward(images):
        with torch.no_grad():
            return model(images)

    def both(images):
        with torch.no_grad():
            features = body(images)
        features = features.requires_grad_()
        return torch.autograd.grad(head(features)[:, CODE].sum(), features)

    def reference(images):
        with GradCAM(model, [layer]) as cam:  # whose hooks would else stay in the way of the others
            return cam(images, [ClassifierOutputTarget(CODE)] * len(images))

    return {
        "forward": forward,
        "forward, backward": both,
        "learnerkit gradcam": lambda images: gradcam(model, images, CODE),
        "learnerkit gradcam, the layer given": lambda images: gradcam(model, images, CODE, layer),
        "captum LayerGradCam": lambda images: captum.attribute(images, CODE),
        "pytorch-grad-cam": reference,
    }


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--bs", type=int, default=16)
    asked = parser.parse_args()
    torch.manual_seed(0)
    model = create_model("torchvision:resnet18", 3, 10).eval()
    images = torch.randn(IMAGES, 3, SIZE, SIZE)
    tried = contenders(model, target_layer(model))
    seconds = {name: [] for name in tried}
    for turn in range(asked.rounds + 1):
        for name, run in tried.items():
            start = time.perf_counter()
            for batch in images.split(asked.bs):
                run(batch)
            if turn:  # the first warms up
                seconds[name].append(time.perf_counter() - start)
    base = statistics.median(seconds["forward, backward"])
    print(f"{torch.get_num_threads()} threads, batches of {asked.bs}, {asked.rounds} rounds")
    for name, times in seconds.items():
        rates = sorted(IMAGES / one for one in times)
        middle = statistics.median(rates)
        ratio = statistics.median(times) / base
        print(f"{name:<38}{middle:6.1f} images/s ({rates[0]:.1f}-{rates[-1]:.1f})  {ratio:.2f} of forward, backward")


if __name__ == "__main__":
    main()
