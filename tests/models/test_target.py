"""The layer whose map the classes are told from, and the least image that a model takes."""

import pytest
import torch
from torch import nn

from learnerkit.all import fusion_learner, image_learner
from learnerkit.core.errors import ModelError
from learnerkit.models.create import create_model, list_models
from learnerkit.models.size import check_size, least_size
from learnerkit.models.target import map_layers, target_layer
from tests.conftest import make_toy_dls
from tests.pairs import make_pair_dls

NAMES = [name for name in list_models() if "_D_" not in name and ":" not in name] + ["wrn_10_1"]
LIBRARIES = [
    *("torchvision:densenet121", "torchvision:squeezenet1_1", "torchvision:efficientnet_b0", "torchvision:swin_t"),
    *("torchvision:convnext_tiny", "torchvision:regnet_y_400mf", "torchvision:shufflenet_v2_x0_5"),
    *("timm:test_resnet", "timm:efficientnet_b0", "timm:test_convnext", "timm:mobilenetv3_small_050"),
]
PLACES = {
    "tiny_cnn": "2",
    "simple_cnn": "7",
    "resnet18": "layer4",
    "resnet50_imagenet": "layer4",
    "vgg11": "features",
    "mobilenet_v2": "features",
    "mobilenet_v3_large": "features",
    "wrn_10_1": "5",
    "fuse:resnet18": "body.layer4",
    "torchvision:swin_t": "permute",
    "torchvision:inception_v3": "Mixed_7c",
    "torchvision:alexnet": "features",
    "timm:test_resnet": "layer4",
    "timm:vgg11": "features",
    "detect:mit_b0": "net.backbone.body.stages.3",
    "detect:timm:test_resnet": "net.backbone.body.layer4",
}


@pytest.fixture
def built():
    """A model by name; without data where only its modules are looked at."""

    def build(name, n_in=3, data=False, **kwargs):
        if name.startswith("timm:") or ":timm:" in name:
            pytest.importorskip("timm")
        with torch.device("cpu" if data or ":" in name else "meta"):
            return create_model(name, n_in, 10, **kwargs).eval()

    return build


@pytest.mark.filterwarnings("ignore:The default weight initialization:FutureWarning")
@pytest.mark.parametrize("name", PLACES)
def test_the_layer_of_each_family(name, built):
    model = built(name)
    assert target_layer(model) is model.get_submodule(PLACES[name])


def kept(model, x, *modules):
    """What enters the head, and what the target layer puts out."""
    seen, target = {}, target_layer(model)
    hooks = [target.register_forward_hook(lambda _, __, out: seen.update(map=out.clone()))]
    hooks += [module.register_forward_pre_hook(lambda _, args: seen.update(head=args[0].clone())) for module in modules]
    with torch.no_grad():
        model(x)
    for hook in hooks:
        hook.remove()
    return seen["map"], seen["head"]


POOLED = [name for name in NAMES if not name.startswith("vgg")] + [
    name for name in LIBRARIES if not name.startswith(("timm:mobilenet", "timm:test_convnext", "torchvision:sq"))
]


@pytest.mark.parametrize("name", POOLED)
def test_the_mean_of_the_map_is_what_enters_the_head(name, built):
    model = built(name, 2, data=True)
    linear = [module for module in model.modules() if isinstance(module, nn.Linear)]
    hidden = name.startswith("mobilenet_v3")  # its classifier has a hidden layer
    head = linear[-2] if hidden else linear[-1]
    found, entered = kept(model, torch.randn(2, 2, 64, 64), head)
    if name == "torchvision:densenet121":  # a relu that is no module is between them
        found = found.relu()
    assert found.ndim == 4 and found.shape[2] * found.shape[3] > 1
    pooled = found.amax((2, 3), keepdim=True) if name == "quicknet" else found.mean((2, 3), keepdim=True)
    if name == "torchvision:convnext_tiny":  # a norm of what is pooled
        pooled = model.classifier[0](pooled)
    torch.testing.assert_close(pooled.flatten(1), entered.flatten(1), rtol=1e-4, atol=1e-4)


@pytest.mark.parametrize("name", ["vgg11", "vgg16_bn"])
def test_the_pooled_map_of_vgg_enters_its_first_hidden_layer(name, built):
    model = built(name, data=True)
    found, entered = kept(model, torch.randn(1, 3, 96, 96), model.classifier[0])
    assert found.shape == (1, 512, 3, 3)
    torch.testing.assert_close(nn.functional.adaptive_avg_pool2d(found, 7).flatten(1), entered)


@pytest.mark.parametrize("name", [*NAMES, *LIBRARIES])
def test_maps_go_from_the_input_to_the_target(name, built):
    model = built(name)
    maps = map_layers(model)
    assert len(maps) > 1 and maps[-1] is target_layer(model) and len(set(map(id, maps))) == len(maps)


def test_a_model_says_its_own():
    class Own(nn.Module):
        def __init__(self):
            super().__init__()
            self.body, self.head = nn.Conv2d(3, 4, 3), nn.Linear(4, 2)

        def forward(self, x):
            raise RuntimeError("is not needed")

        def target_layer(self):
            return self.body

    model = Own()
    assert target_layer(model) is model.body and map_layers(model) == [model.body]


@pytest.mark.parametrize("name", ["timm:test_vit", "torchvision:vit_b_32", "timm:swin_tiny_patch4_window7_224"])
def test_tokens_are_no_map(name, built):
    with pytest.raises(ModelError, match=rf"{name}: its last block puts out no map .*give the layer itself"):
        target_layer(built(name))


def test_the_model_is_left_as_it_was(built):
    model = built("resnet18", data=True).train()
    before = {key: value.clone() for key, value in model.state_dict().items()}
    target_layer(model), least_size(model)
    assert model.training and all(torch.equal(value, before[key]) for key, value in model.state_dict().items())
    assert not [m for m in model.modules() if m._forward_hooks]


@pytest.mark.parametrize(
    ("name", "least"),
    [
        *(("vgg11", 32), ("resnet50", 1), ("mobilenet_v2", 1), ("simple_cnn", 4), ("torchvision:squeezenet1_1", 17)),
        *(("torchvision:alexnet", 63), ("torchvision:vit_b_32", 224), ("timm:swin_tiny_patch4_window7_224", 224)),
    ],
)
def test_the_least_size(name, least, built):
    model = built(name)
    assert least_size(model) == least
    check_size(model, (least, least))


@pytest.mark.parametrize("name", [*NAMES, "wrn_28_10"])
def test_every_registered_name_takes_32_pixels(name, built):
    assert least_size(built(name, 1)) <= 32


@pytest.mark.parametrize("name", ["vgg11", "simple_cnn", "torchvision:alexnet"])
def test_the_least_size_is_the_least_that_runs(name, built):
    model = built(name, data=True)
    least = least_size(model)
    with torch.no_grad():
        assert model(torch.zeros(2, 3, least, least)).shape == (2, 10)
        with pytest.raises(RuntimeError):
            model(torch.zeros(2, 3, least - 1, least - 1))


@pytest.mark.parametrize(
    ("name", "sides", "said"),
    [
        ("vgg16", (16, 64), "vgg16: images of 16x64 pixels are too small; the least size is 32"),
        ("fuse:vgg11", (31, 31), "fuse:vgg11: images of 31x31 pixels are too small; the least size is 32"),
        ("torchvision:vit_b_32", (32, 32), "takes no images of 32x32 pixels; it is for one size alone, such as 224"),
        ("timm:swin_tiny_patch4_window7_224", (64, 64), "one size alone, such as 224"),
    ],
)
def test_a_size_that_a_model_does_not_take_is_refused_by_name(name, sides, said, built):
    with pytest.raises(ModelError, match=said):
        check_size(built(name), sides)


def test_a_learner_refuses_such_a_size_when_it_is_built():
    dls = make_toy_dls()  # 16 pixels
    with pytest.raises(ModelError, match=r"vgg11: images of 16x16 pixels are too small; the least size is 32.*size="):
        image_learner(dls, "vgg11")
    with pytest.raises(ModelError, match=r"fuse:torchvision:alexnet: images of 8x8 pixels .* least size is 63"):
        fusion_learner(make_pair_dls(), "torchvision:alexnet")
    image_learner(dls, "mobilenet_v3_small")


def test_what_does_not_run_at_all_says_so_itself():
    check_size(nn.Sequential(nn.Conv2d(3, 4, 3), nn.Linear(5, 2), nn.BatchNorm2d(7)), (32, 32))


class NeedsData(nn.Module):
    """Looks at the values of its images, which it has not without data."""

    def __init__(self):
        super().__init__()
        self.body, self.head = nn.Conv2d(3, 4, 3), nn.Linear(4, 2)

    def forward(self, x):
        scale = float(x.abs().max().numpy()) + 1
        return self.head((self.body(x) / scale).mean((2, 3)))


def test_a_model_that_looks_at_values_is_tried_with_data():
    model = NeedsData()
    assert target_layer(model) is model.body
    check_size(model, (1, 1))  # not known without data: its own words come with the first batch


def test_what_cannot_be_copied_without_data_is_not_in_the_way():
    model = nn.Sequential(nn.Flatten(), nn.LazyLinear(3))
    check_size(model, (32, 32))
    with pytest.raises(ModelError, match="has no convolution"):
        target_layer(model)
