"""Batch augmentations against torchvision's functions applied image by image with the same draws."""

import pytest
import torch
from torchvision.transforms import v2
from torchvision.transforms.v2 import functional as F

from learnerkit.ops import augment, randaugment
from learnerkit.ops.grouped import apply_grouped


@pytest.fixture
def images():
    return torch.randint(0, 256, (24, 3, 32, 32), dtype=torch.uint8)


def test_apply_grouped_calls_once_a_group_and_leaves_negative_keys_alone(images):
    calls = []

    def operation(group, key):
        calls.append((key, len(group)))
        return group + key

    keys = torch.tensor([2, 0, -1] * 8)
    out = apply_grouped(images, keys, operation)
    assert sorted(calls) == [(0, 8), (2, 8)]
    expected = images + torch.where(keys < 0, 0, keys).to(torch.uint8)[:, None, None, None]
    assert torch.equal(out, expected)


def test_crop_equals_padding_and_cropping_one_by_one(images):
    tops, lefts = torch.randint(0, 9, (2, 24))
    cropped = augment.crop(images, tops, lefts, 4)
    padded = F.pad(images, [4, 4, 4, 4])
    for i, (top, left) in enumerate(zip(tops.tolist(), lefts.tolist(), strict=True)):
        assert torch.equal(cropped[i], F.crop(padded[i], top, left, 32, 32))


def test_each_image_draws_its_own_crop_and_flip():
    same = torch.randint(0, 256, (1, 3, 32, 32), dtype=torch.uint8).expand(256, -1, -1, -1)
    assert len(torch.unique(augment.RandomCrop(4)(same), dim=0)) > 50
    flipped = augment.Flip(0.5)(same)
    mirrored = (flipped == F.horizontal_flip(same)).flatten(1).all(1)
    assert 90 < mirrored.sum() < 166
    assert ((flipped == same).flatten(1).all(1) | mirrored).all()


@pytest.mark.parametrize("key", range(0, 31, 5))
def test_rotation_equals_torchvision_per_image(images, key):
    operation = augment.Rotate(15)
    angle = -15 + 30 * key / 30
    grouped = operation.apply(images, key)
    for one, out in zip(images, grouped, strict=True):
        assert torch.equal(out, F.rotate(one, angle, interpolation=F.InterpolationMode.BILINEAR))


def test_rotation_uses_angles_over_the_whole_range(images):
    angles = {augment.spread(level, -15, 15) for level in range(augment.LEVELS)}
    assert min(angles) == -15 and max(angles) == 15 and 0 in angles
    assert augment.Rotate(15)(images).shape == images.shape


def test_jitter_equals_torchvision_per_image_in_each_images_own_order(images, monkeypatch):
    operation = augment.ColorJitter(0.3, 0.3, 0.3, 0.1)
    torch.manual_seed(3)
    kinds = torch.rand(24, 4).argsort(dim=1)
    levels = torch.randint(0, 31, (24, 4))
    torch.manual_seed(3)
    out = operation(images)
    adjust = [F.adjust_brightness, F.adjust_contrast, F.adjust_saturation, F.adjust_hue]
    for row in range(24):
        one = images[row]
        for turn in range(4):
            kind, level = kinds[row, turn].item(), levels[row, turn].item()
            low, high = (-0.1, 0.1) if kind == 3 else (0.7, 1.3)
            one = adjust[kind](one, low + (high - low) * level / 30)
        assert torch.equal(out[row], one)
    assert len({tuple(order) for order in kinds.tolist()}) > 5


def test_perspective_moves_corners_inwards_of_half_of_the_images(images):
    many = images.repeat(8, 1, 1, 1)
    out = augment.Perspective(0.5)(many)
    changed = (out != many).flatten(1).any(1).float().mean()
    assert 0.35 < changed < 0.65
    assert torch.equal(augment.Perspective(0.0)(images), images)


def test_rectangles_by_hand():
    mask = augment.rectangles(torch.tensor([1]), torch.tensor([-1]), torch.tensor([2]), torch.tensor([3]), (4, 4))
    expected = torch.zeros(4, 4, dtype=torch.bool)
    expected[1:3, 0:2] = True
    assert torch.equal(mask[0, 0], expected)


def test_erase_takes_the_asked_part_of_the_asked_share_of_images():
    ones = torch.ones(2000, 3, 32, 32)
    erased = (augment.Erase(0.3)(ones) == 0)[:, 0].flatten(1).float().mean(1)
    assert 0.25 < (erased > 0).float().mean() < 0.35
    chosen = erased[erased > 0]
    assert chosen.min() > 0.005 and chosen.max() <= 0.36 and 0.14 < chosen.mean() < 0.2


def test_cutout_is_a_square_of_its_size_cut_off_at_the_border():
    erased = augment.Cutout(16)(torch.ones(500, 3, 32, 32)) == 0
    areas = erased[:, 0].flatten(1).sum(1)
    assert areas.max() == 256 and areas.min() >= 64
    assert torch.equal(erased[:, 0], erased[:, 1])


@pytest.mark.parametrize("name", randaugment.NAMES)
@pytest.mark.parametrize("magnitude", [0, 9, 30])
def test_randaugment_operations_equal_torchvision_per_image(images, name, magnitude):
    reference = v2.RandAugment(num_ops=1, magnitude=magnitude)
    magnitudes, signed = reference._AUGMENTATION_SPACE[name]
    amounts = magnitudes(31, 32, 32)
    amount = 0.0 if amounts is None else float(amounts[magnitude])
    ours = randaugment.RandAugment(1, magnitude)
    for sign in (0, 1):
        grouped = ours.apply(images, randaugment.NAMES.index(name) * 2 + sign)
        signed_amount = -amount if signed and sign else amount
        for one, out in zip(images, grouped, strict=True):
            expected = reference._apply_image_or_video_transform(
                one, name, signed_amount, interpolation=F.InterpolationMode.NEAREST, fill=reference._fill
            )
            assert torch.equal(out, expected)


def test_randaugment_has_torchvisions_operations_and_each_image_draws_its_own(images):
    assert list(randaugment.NAMES) == list(v2.RandAugment._AUGMENTATION_SPACE)
    same = images[:1].expand(200, -1, -1, -1)
    assert len(torch.unique(randaugment.RandAugment(2, 9)(same), dim=0)) > 60


def test_a_flip_changes_the_drawn_images_alone_and_not_what_it_was_given(images):
    torch.manual_seed(3)
    drawn = torch.rand(len(images)) < 0.5
    torch.manual_seed(3)
    before, found = images.clone(), augment.Flip()(images)
    assert drawn.any() and not drawn.all()
    assert torch.equal(found, torch.where(drawn[:, None, None, None], F.horizontal_flip(images), images))
    assert torch.equal(images, before) and found.stride() == images.stride()
