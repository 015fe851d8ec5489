"""A small Stable Diffusion 1 with random weights, made with diffusers' own classes, and engines.

The session's models folder holds `tiny` (epsilon, VAE factor 8), `tiny-v` (v prediction) and
`tiny-4` (VAE factor 4, another latent size). Only the tokenizer's files are the shipped ones.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path

import pytest
import torch
from diffusers import AutoencoderKL, DDIMScheduler, StableDiffusionPipeline, UNet2DConditionModel
from transformers import CLIPTextConfig, CLIPTextModel, CLIPTokenizer

from webui.embeddings import Embeddings
from webui.engine import builtin
from webui.engine.device import choose
from webui.engine.engine import Control, Engine
from webui.engine.models import Models
from webui.engine.plan import Plan, plan_of
from webui.engine.turns import Turn
from webui.events import EngineEvent, Rendered, Step
from webui.extensions import Standing, engine_registry
from webui.interfaces import EngineRegistry
from webui.library import Library
from webui.loras import Loras
from webui.request import GenerationRequest
from webui.upscalers import Upscalers
from webui.wire import RunOptions

MODELS = Path(__file__).parents[2] / "models"
TOKENIZER = MODELS / "checkpoints" / "fluent-emoji" / "tokenizer"


def tiny_pipeline(prediction: str = "epsilon", factor: int = 8) -> StableDiffusionPipeline:
    """A pipeline with random weights: 0.8 M of UNet, 32x32 latents."""
    torch.manual_seed(0)
    blocks = {8: 4, 4: 3}[factor]
    return StableDiffusionPipeline(
        vae=AutoencoderKL(
            block_out_channels=(16, 16, 32, 32)[:blocks],
            layers_per_block=1,
            norm_num_groups=8,
            latent_channels=4,
            down_block_types=("DownEncoderBlock2D",) * blocks,
            up_block_types=("UpDecoderBlock2D",) * blocks,
            sample_size=64,
        ),
        unet=UNet2DConditionModel(
            sample_size=64 // factor,
            block_out_channels=(32, 64),
            layers_per_block=1,
            down_block_types=("CrossAttnDownBlock2D", "DownBlock2D"),
            up_block_types=("UpBlock2D", "CrossAttnUpBlock2D"),
            cross_attention_dim=32,
            attention_head_dim=8,
            norm_num_groups=8,
        ),
        text_encoder=CLIPTextModel(
            CLIPTextConfig(
                vocab_size=49408,
                hidden_size=32,
                intermediate_size=64,
                num_hidden_layers=3,
                num_attention_heads=4,
                bos_token_id=49406,
                eos_token_id=49407,
                pad_token_id=49407,
            )
        ).eval(),
        tokenizer=CLIPTokenizer.from_pretrained(str(TOKENIZER)),
        scheduler=DDIMScheduler(
            beta_start=0.00085,
            beta_end=0.012,
            beta_schedule="scaled_linear",
            clip_sample=False,
            set_alpha_to_one=False,
            steps_offset=1,
            prediction_type=prediction,
        ),
        safety_checker=None,
        feature_extractor=None,
        requires_safety_checker=False,
    )


@pytest.fixture(scope="session")
def models_dir(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder: Path = tmp_path_factory.mktemp("models")
    for name, prediction, factor in (
        ("tiny", "epsilon", 8),
        ("tiny-v", "v_prediction", 8),
        ("tiny-4", "epsilon", 4),
    ):
        tiny_pipeline(prediction, factor).save_pretrained(folder / "checkpoints" / name)
    return folder


@dataclass
class Run:
    """An engine's run, played to its end."""

    events: list[EngineEvent] = field(default_factory=list)
    outcome: str = ""

    def of(self, kind: type) -> list:
        return [event for event in self.events if isinstance(event, kind)]

    @property
    def pictures(self) -> list[bytes]:
        return [event.picture.rgb for event in self.of(Rendered)]


def play(
    engine: Engine,
    request: GenerationRequest,
    options: RunOptions = RunOptions(),
    control: Control | None = None,
) -> Run:
    run, events = Run(), engine.run(request, options, control)
    try:
        while True:
            run.events.append(next(events))
    except StopIteration as stopped:
        run.outcome = stopped.value
    return run


def die(
    engine: Engine, request: GenerationRequest, options: RunOptions, place: tuple[int, int]
) -> None:
    """A run that ends after that (turn, step): a killed process leaves the spool as it is then."""
    dying = engine.run(request, options)
    while not (isinstance(event := next(dying), Step) and (event.turn, event.step) == place):
        pass
    dying.close()


def make_engine(
    models_dir: Path,
    registry: EngineRegistry | None = None,
    standings: Sequence[Standing] = (),
) -> Engine:
    registry = registry or engine_registry({"builtin": builtin})
    device = choose("cpu")
    files = Library(models_dir), Embeddings(models_dir), Loras(models_dir)
    models = Models(*files, registry.families, device)
    return Engine(registry, models, device, Upscalers(models_dir), standings=standings)


def planned(engine: Engine, asked: GenerationRequest) -> Plan:
    """What a run from noise alone goes by."""
    loaded = engine._models.load(asked.model)
    timeline = loaded.reader.read(asked, asked.steps).timeline
    return plan_of(engine._entries, Turn(asked, loaded.model), timeline)


@pytest.fixture
def engine(models_dir: Path) -> Engine:
    return make_engine(models_dir)


@pytest.fixture(scope="session")
def warm(models_dir: Path) -> Engine:
    """One that other tests have used before: what a picture is must not depend on that."""
    return make_engine(models_dir)


@pytest.fixture(scope="session")
def shipped() -> Engine:
    """An engine on the model that ships."""
    return make_engine(MODELS)


@pytest.fixture(autouse=True)
def _one_thread() -> Iterator[None]:
    # two threads on two busy cores make models this small up to a hundred times slower
    before = torch.get_num_threads()
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(before)


def request(**values: object) -> GenerationRequest:
    """A request for the tiny model; `values` replace its fields."""
    given: dict = {
        "model": "tiny",
        "prompt": "a red apple",
        "negative_prompt": "blue",
        "seed": 11,
        "steps": 6,
        "width": 64,
        "height": 64,
        "guidance_scale": 5.0,
    }
    return GenerationRequest(**(given | values))
