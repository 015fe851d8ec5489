"""64 prompts that nobody picked by their pictures, on one sheet: the seed of each is its number."""

from collections.abc import Sequence
from pathlib import Path

from PIL import Image

from training.evaluation.model import Model

PROMPTS = """panda; cat face; dog face; red apple; rocket; grinning face; pizza; castle
octopus; astronaut; horse; automobile; ghost; cherry blossom; guitar; soccer ball
wolf; penguin; hamburger; evergreen tree; robot; red heart; owl; strawberry
puppy; kitty; plane; burger; bike; lion; tropical fish; birthday cake
dog face on a blue background; tiger face on a green background; penguin on a pink background
red apple on a yellow background; ghost on a purple background; rocket on a black background
fox on a cyan background; banana on a gray background
crown on a red and orange gradient background
whale on a gradient background from blue to cyan; unicorn on a pink and purple gradient background
hot air balloon on a gradient background from cyan to white; cactus on an orange background
small frog on the left; small star on the right; small butterfly at the top
small snail at the bottom
a large watermelon; a tiny mushroom; a big bear
panda and red apple; cat face and dog face; rocket and full moon; banana next to cherries
crown above lion; hamburger and french fries; robot to the left of alien
sun above evergreen tree; soccer ball below trophy
panda, lion and fox; red apple, banana and grapes; a picture of an elephant""".replace(
    "\n", "; "
).split("; ")


def sheet(model: Model, prompts: Sequence[str], out: Path, across: int = 8) -> None:
    """Writes the pictures, `across` in a row, in the order of `prompts`."""
    made = ((model.pictures(prompts, range(len(prompts))) + 1) * 127.5).round().byte()
    side = model.pixels
    paper = Image.new("RGB", (across * side, -(-len(prompts) // across) * side), "white")
    for number, picture in enumerate(made):
        place = (number % across * side, number // across * side)
        paper.paste(Image.fromarray(picture.permute(1, 2, 0).numpy()), place)
    paper.save(out, "WEBP", quality=85)
