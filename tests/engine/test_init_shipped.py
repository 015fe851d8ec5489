"""What a picture to begin with does to what the shipped model draws: means over 16 seeds.

Feature space: as in test_prompts_shipped, the latents of the last step averaged over 4 x 4 cells.
"""

from dataclasses import replace

import numpy as np
import pytest
import torch
from PIL import Image

from tests.engine.conftest import play, request
from tests.engine.pictures import box_mask, pixels, results, sent
from webui.events import Rendered, Step
from webui.request import InitImage, Mask, Outpaint
from webui.trajectories import read_step
from webui.wire import RunOptions

SIZE, STEPS = 128, 8
HALF = (64, 0, 128, 128)  # the right one


def drawn(prompt, **values):
    given = {"model": "fluent-emoji", "prompt": prompt, "negative_prompt": "", "steps": STEPS}
    return request(**given | {"width": SIZE, "height": SIZE, "guidance_scale": 4.0} | values)


@pytest.fixture(scope="module")
def inputs(tmp_path_factory):
    return tmp_path_factory.mktemp("inputs")


@pytest.fixture(scope="module")
def dog(shipped):
    (event,) = play(shipped, drawn("dog face", seed=3)).of(Rendered)
    return Image.fromarray(pixels(event.picture).astype(np.uint8))


@pytest.fixture(scope="module")
def made(shipped, inputs, tmp_path_factory):
    """(request) -> the pictures of 16 seeds and their features (16, C, 4, 4)."""

    def make(asked):
        keep = tmp_path_factory.mktemp("kept")
        asked = replace(asked, images=16, batch_size=8)
        run = play(shipped, asked, RunOptions(keep=str(keep), inputs=str(inputs)))
        last = run.of(Step)[-1].step
        latents = np.concatenate([read_step(keep, batch, last).x for batch in range(2)])
        pooled = torch.nn.functional.avg_pool2d(torch.from_numpy(latents), 4)
        return results(run), pooled

    return make


def test_a_masked_half_becomes_what_is_asked_for_and_nothing_else_changes(made, inputs, dog):
    mask = Mask(picture=sent(inputs, box_mask(dog.size, HALF)), blur=4)
    init = InitImage(picture=sent(inputs, dog), strength=0.95, mask=mask)
    pictures, repainted = made(drawn("cat face", init=init))
    _, again = made(drawn("dog face", init=init))
    _, cats = made(drawn("cat face"))
    untouched = 64 - 10  # the mask's blur goes 2.5 times as far
    source = np.array(dog, int)
    assert (pictures[:, :, :untouched] == source[:, :untouched]).all()
    assert np.abs(pictures - source)[:, :, 64:].mean() > 5
    half = cats[:, :, :, 2:].mean(0)
    to_cats = (repainted[:, :, :, 2:].mean(0) - half).norm()
    assert to_cats < 0.9 * (again[:, :, :, 2:].mean(0) - half).norm()


def test_the_more_strength_the_farther_from_the_source(made, inputs, dog):
    strengths, source = (0.2, 0.45, 0.7, 0.95), np.array(dog, int)
    init = InitImage(picture=sent(inputs, dog))
    asked = drawn("a red apple", init=init)
    distances = []
    for strength in strengths:
        pictures, _ = made(replace(asked, init=replace(init, strength=strength)))
        distances.append(float(np.abs(pictures - source).mean()))
    assert distances == sorted(distances)
    assert distances[0] < 0.3 * distances[-1]


def test_outpainting_goes_on_where_the_picture_ends(shipped, inputs, dog):
    outpaint = Outpaint(right=64, blend=16)
    init = InitImage(picture=sent(inputs, dog), strength=0.95, outpaint=outpaint)
    asked = drawn("dog face", init=init, width=SIZE + 64, images=4, batch_size=4)
    pictures = results(play(shipped, asked, RunOptions(inputs=str(inputs))))
    assert pictures.shape == (4, SIZE, SIZE + 64, 3)
    assert (pictures[:, :, : SIZE - 16] == np.array(dog, int)[:, : SIZE - 16]).all()
    # the seam is no edge: over it colours change about as much as on either side
    steps = np.abs(np.diff(pictures, axis=2)).mean((0, 1, 3))
    assert steps[SIZE - 17 : SIZE + 1].mean() < 3 * max(1.0, steps[SIZE - 48 : SIZE + 32].mean())


def test_tiles_give_nearly_the_latent_of_the_whole_picture(shipped, dog):
    model = shipped._models.load("fluent-emoji").model
    image = torch.from_numpy(np.array(dog.resize((512, 384)), np.float32) / 127.5 - 1)
    image = image.permute(2, 0, 1)[None]
    with torch.no_grad():
        whole, tiled = model.encode(image), model.encode_tiled(image)
        assert float((whole - tiled).norm() / whole.norm()) < 0.1
        clear = model.decode(whole)
    assert float((clear - image).abs().mean()) < 0.1
