"""Models as a person meets them: cards below the prompt, the row above the tabs, the Models tab."""

import json
import re
import shutil
from collections.abc import Iterator

import pytest
from PIL import Image
from playwright.sync_api import expect

from tests import checkpoints, embedding_files, headers, lora_files
from tests.e2e.conftest import ROOT, Server, free_port
from tests.test_loras import FILES

PAUSE = 20_000  # ms
pytestmark = pytest.mark.timeout(400)  # a server of its own, with a model made for it


@pytest.fixture(scope="module")
def stocked(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    """A server on a folder of models, with steps above the tabs."""
    folder = tmp_path_factory.mktemp("stocked")
    models = folder / "models"
    shipped = "checkpoints/fluent-emoji"
    shutil.copytree(ROOT / "models" / shipped, models / shipped)
    pipe = checkpoints.pipeline("sd1")
    checkpoints.write(models / "checkpoints" / "tiny.safetensors", checkpoints.original(pipe))
    suits = {"default_settings": {"cfg_scale": 2.5, "steps": 5}}
    (models / "checkpoints" / "tiny.json").write_text(json.dumps(suits))
    checkpoints.write(models / "VAE" / "soft.safetensors", checkpoints.vae_keys(pipe.vae))
    lora = lora_files.kohya(pipe, lora_files.made(pipe, "lora", only="attn"))
    words = {"modelspec.trigger_phrase": "inked, hatching"}
    lora_files.save(models / "Lora" / "styles" / "ink.safetensors", lora, words)
    Image.new("RGB", (64, 64), "red").save(models / "Lora" / "styles" / "ink.png")
    headers.write(models / "Lora" / "wide.safetensors", FILES["sdxl"][0])
    headers.write(models / "checkpoints" / "<b>wrong</b>.safetensors", FILES["sd1"][0])
    vectors = embedding_files.vectors(2, pipe.text_encoder.config.hidden_size)
    embedding_files.write(models / "embeddings" / "hands.safetensors", {"emb_params": vectors})
    server = Server(folder, free_port(), ("--quicksettings", "steps"), models=models)
    server.start()
    yield server
    assert server.foreign() == []
    assert server.stop() == 0


def card(tab, name):
    return tab.page.locator(f".dk-card[data-name='{name}'] .dk-card-button:visible")


def test_cards_write_the_prompt_and_the_row_above_the_tabs_is_the_requests(stocked, open_tab):
    tab = open_tab(stocked)
    tab.page.click("#txt2img_extra_tabs .dk-lens-button")
    tab.page.click("#txt2img_extra_tabs [data-value=checkpoints]")
    expect(card(tab, "<b>wrong</b>")).to_have_attribute("aria-disabled", "true", timeout=PAUSE)
    card(tab, "tiny").click()
    expect(tab.page.locator("#setting_sd_model_checkpoint input")).to_have_value("tiny")
    expect(tab.page.locator("#txt2img_width input[type=number]")).to_have_value("512")
    expect(tab.page.locator("#txt2img_cfg_scale input[type=number]")).to_have_value("2.5")
    expect(tab.page.locator("#setting_steps input")).to_have_value("5")
    tab.fill("txt2img_width", 64)
    tab.fill("txt2img_height", 64)

    tab.page.click("#txt2img_extra_tabs [data-value=loras]")
    expect(card(tab, "wide")).to_contain_text("An SDXL LoRA on an SD 1.5 model", timeout=PAUSE)
    tab.fill("txt2img_prompt", "a cat")
    card(tab, "wide").click(force=True)  # nothing but the reason
    said = tab.page.locator("#txt2img_extra_tabs .dk-cards-said")
    expect(said).to_have_text(
        "wide: An SDXL LoRA on an SD 1.5 model. Choose a model of SDXL to use it."
    )
    assert tab.value("txt2img_prompt") == "a cat"
    card(tab, "ink").click()
    assert tab.value("txt2img_prompt") == "a cat <lora:ink:1>"
    expect(card(tab, "ink")).to_have_attribute("aria-pressed", "true")
    card(tab, "ink").click()
    assert tab.value("txt2img_prompt") == "a cat"
    expect(card(tab, "ink")).to_have_attribute("aria-pressed", "false")
    tab.page.click(".dk-card[data-name='ink'] .dk-card-words")
    assert tab.value("txt2img_prompt") == "a cat <lora:ink:1>, inked, hatching"
    loaded = "() => document.querySelector('.dk-card[data-name=ink] img')?.naturalWidth > 0"
    tab.page.wait_for_function(loaded)

    tab.page.click("#txt2img_extra_tabs [data-value=embeddings]")
    tab.page.locator("#txt2img_neg_prompt textarea").click()
    card(tab, "hands").click()
    assert tab.value("txt2img_neg_prompt") == "hands"

    tab.open()  # the fold was left open: it is drawn as the page is
    expect(card(tab, "hands")).to_be_visible(timeout=PAUSE)
    tab.choose("setting_sd_vae", "soft")
    tab.fill("setting_CLIP_stop_at_last_layers", 2)
    tab.fill("setting_steps", 3)
    assert tab.page.locator("#txt2img_steps").count() == 0  # it stands above instead
    job = stocked.finished(tab.generate())
    asked = job["request"]
    assert (job["state"], asked["prompt"]) == ("done", "a cat <lora:ink:1>, inked, hatching")
    assert (asked["model"], asked["vae"], asked["clip_skip"]) == ("tiny", "soft", 2)
    assert (asked["steps"], asked["negative_prompt"]) == (3, "hands")
    tab.open()  # a tab that was never opened has what suits the model that was chosen
    tab.page.get_by_role("tab", name="img2img").click()
    expect(tab.page.locator("#img2img_cfg_scale input[type=number]")).to_have_value("2.5")


def test_the_row_comes_back_by_a_recipe_and_after_a_reload(stocked, open_tab):
    tab = open_tab(stocked)
    tab.fill("txt2img_prompt", "dog")
    tab.fill("setting_steps", 2)
    tab.choose("setting_sd_vae", "None")
    tab.fill("setting_CLIP_stop_at_last_layers", 2)
    job = stocked.finished(tab.generate())
    tab.wait_for(job["id"], "done")
    tab.choose("setting_sd_vae", "soft")
    tab.fill("setting_CLIP_stop_at_last_layers", 1)
    tab.fill("setting_steps", 9)
    tab.open()
    vae = tab.page.locator("#setting_sd_vae input")
    expect(vae).to_have_value("soft", timeout=PAUSE)
    assert (tab.value("setting_steps"), tab.value("setting_CLIP_stop_at_last_layers")) == ("9", "1")
    tab.page.get_by_role("tab", name="img2img").click()  # one value for all tabs
    expect(vae).to_have_value("soft")
    tab.page.get_by_role("tab", name="txt2img").click()
    tab.fill("txt2img_prompt", "")
    tab.page.click("#paste")  # without a text: the last picture's
    expect(vae).to_have_value("None", timeout=PAUSE)
    expect(tab.page.locator("#setting_steps input")).to_have_value("2")
    expect(tab.page.locator("#setting_CLIP_stop_at_last_layers input")).to_have_value("2")


def test_the_models_tab_names_what_is_wrong_and_what_is_in_memory(stocked, open_tab):
    tab = open_tab(stocked)
    page = tab.page
    page.get_by_role("tab", name="Models", exact=True).click()
    wrong = page.locator(".dk-model-row[data-name='<b>wrong</b>']")
    told = "A LoRA, not a checkpoint; it belongs into Lora/."
    expect(wrong.locator(".dk-model-wrong")).to_have_text(told, timeout=PAUSE)
    expect(wrong.locator(".dk-model-name")).to_have_text("<b>wrong</b>")
    expect(page.locator("#table")).to_be_hidden()

    tiny = page.locator(".dk-model-row[data-name=tiny]")
    tiny.locator(".dk-model-name").click()
    facts = tiny.locator(".dk-model-facts")
    expect(facts).to_contain_text("checkpoints/tiny.safetensors")
    expect(facts).to_contain_text("UNet, VAE, text encoder")
    expect(facts).to_contain_text("steps 5, CFG scale 2.5")
    expect(facts).to_contain_text(re.compile(r"Fits: 1\.0 GB of \S+ GB with a picture in work\."))
    if tiny.get_by_role("button", name="Unload").count():
        tiny.get_by_role("button", name="Unload").click()
    tiny.get_by_role("button", name="Load", exact=True).click(timeout=PAUSE)
    expect(tiny.locator(".dk-model-loaded")).to_have_text("in memory", timeout=60_000)
    tiny.get_by_role("button", name="Unload").click()
    expect(tiny.locator(".dk-model-loaded")).to_have_count(0, timeout=PAUSE)
    tiny.get_by_role("button", name="Use").click()
    expect(page.locator("#setting_sd_model_checkpoint input")).to_have_value("tiny")

    page.fill("#models-search", "WRONG")
    expect(page.locator(".dk-model-row")).to_have_count(1)
    page.fill("#models-search", "")
    copied = stocked.models / "checkpoints" / "new one.safetensors"
    shutil.copy(stocked.models / "checkpoints" / "tiny.safetensors", copied)
    page.click("#models-refresh")
    expect(page.locator(".dk-model-row[data-name='new one']")).to_be_visible(timeout=PAUSE)
    tab.choose("setting_sd_model_checkpoint", "new one")
    page.get_by_role("tab", name="txt2img").click()
    expect(page.locator("#table")).to_be_visible()


def test_what_cannot_be_used_is_grey_in_the_menu_and_cannot_be_chosen(stocked, open_tab):
    tab = open_tab(stocked)
    page = tab.page
    page.locator("#setting_sd_model_checkpoint input").click()
    entry = page.get_by_role("option", name="wrong")
    expect(entry).to_have_attribute("aria-disabled", "true", timeout=PAUSE)
    expect(entry).to_contain_text("a LoRA, not a checkpoint")
    before = tab.value("setting_sd_model_checkpoint")
    entry.click(force=True)
    page.keyboard.press("Escape")
    assert tab.value("setting_sd_model_checkpoint") == before


@pytest.mark.parametrize(
    ("text", "kind", "name", "made"),
    [
        ("", "loras", "ink", "<lora:ink:1>"),
        ("a cat,  ", "loras", "ink", "a cat <lora:ink:1>"),
        ("a <lora:ink:0.5:1>, b", "loras", "ink", "a, b"),
        ("<lora:ink:1>", "loras", "ink", ""),
        ("a [<lora:ink:1>::0.5] b", "loras", "ink", "a b"),
        ("a <lora:ink v2:1>", "loras", "ink", "a <lora:ink v2:1> <lora:ink:1>"),
        ("a", "loras", "x+(y)", "a <lora:x+(y):1>"),
        ("a <lora:x+(y):1>", "loras", "x+(y)", "a"),
        ("a", "embeddings", "hands", "a, hands"),
        ("a, Hands, b", "embeddings", "hands", "a, b"),
        ("(hands:1.2), a", "embeddings", "hands", "a"),
        ("beforehands", "embeddings", "hands", "beforehands, hands"),
    ],
)
def test_what_a_click_on_a_card_makes_of_a_prompt(blank, text, kind, name, made):
    js = "([text, kind, name]) => darkroom.withCard(text, kind, name)"
    assert blank.evaluate(js, [text, kind, name]) == made


@pytest.fixture(scope="module")
def blank(browser, stocked):
    page = browser.new_page()
    page.goto(stocked.address)
    page.wait_for_function("Boolean(window.darkroom?.withCard)")
    yield page
    page.close()
