"""Which of A1111's fields is which of ours, and what A1111 means where a client says nothing.

docs/sdapi.md says the same for people; a test compares.
"""

from collections.abc import Callable, Mapping
from typing import Any

from webui.api.sdapi import reading

Read = Callable[[str, object], Any]
Table = Mapping[str, tuple[str, Read]]  # A1111's name -> (ours, how it is read)

_SAMPLING: Table = {
    "eta": ("sampling.eta", reading.number),
    "s_churn": ("sampling.s_churn", reading.number),
    "s_tmin": ("sampling.s_tmin", reading.number),
    "s_tmax": ("sampling.s_tmax", reading.number),
    "s_noise": ("sampling.s_noise", reading.number),
}
BOTH: Table = {
    "prompt": ("prompt", reading.text),
    "negative_prompt": ("negative_prompt", reading.text),
    "seed": ("seed", reading.whole),
    "subseed": ("variation.seed", reading.whole),
    "subseed_strength": ("variation.strength", reading.number),
    "seed_resize_from_w": ("seed_resize.width", reading.whole),
    "seed_resize_from_h": ("seed_resize.height", reading.whole),
    "sampler_name": ("sampler", reading.text),
    "scheduler": ("schedule", reading.text),
    "steps": ("steps", reading.whole),
    "cfg_scale": ("guidance_scale", reading.number),
    "width": ("width", reading.whole),
    "height": ("height", reading.whole),
    "n_iter": ("batch_count", reading.whole),
    "batch_size": ("batch_size", reading.whole),
    **_SAMPLING,
}
TXT2IMG: Table = {
    **BOTH,
    "denoising_strength": ("hires.strength", reading.number),
    "hr_scale": ("hires.scale", reading.number),
    "hr_upscaler": ("hires.upscaler", reading.text),
    "hr_second_pass_steps": ("hires.steps", reading.whole),
    "hr_resize_x": ("hires.width", reading.whole),
    "hr_resize_y": ("hires.height", reading.whole),
    "hr_sampler_name": ("hires.sampler", reading.text),
    "hr_scheduler": ("hires.schedule", reading.text),
    "hr_prompt": ("hires.prompt", reading.text),
    "hr_negative_prompt": ("hires.negative_prompt", reading.text),
    "hr_cfg": ("hires.guidance_scale", reading.number),
}
IMG2IMG: Table = {
    **BOTH,
    "denoising_strength": ("init.strength", reading.number),
    "initial_noise_multiplier": ("init.noise_multiplier", reading.number),
    "mask_blur": ("init.mask.blur", reading.whole),
    "inpaint_full_res_padding": ("init.mask.padding", reading.whole),
}
PICTURES = {"init_images": "init.picture", "mask": "init.mask.picture"}
OTHER_NAMES = {  # of ours: A1111's, where no table above has it
    "model": "sd_model_checkpoint",
    "vae": "sd_vae",
    "images": "n_iter",
    "seed_resize": "seed_resize_from_w",
    "clip_skip": "CLIP_stop_at_last_layers",
    "init.mask.content": "inpainting_fill",
    "init.resize": "resize_mode",
    **{ours: name for name, ours in PICTURES.items()},
}
RESIZE = ("just resize", "crop and resize", "resize and fill", "latent upscale")
CONTENT = ("fill", "original", "latent noise", "latent nothing")
SAME = ("", "use same sampler", "use same scheduler", "use same checkpoint", "none")

# what A1111 means by saying nothing
DEFAULTS: Mapping[str, Any] = {
    "seed": -1,
    "sampler": "Euler",
    "schedule": "Automatic",
    "steps": 50,
    "guidance_scale": 7.0,
    "clip_skip": 1,
    "width": 512,
    "height": 512,
    "batch_count": 1,
    "batch_size": 1,
}
OF_TXT2IMG: Mapping[str, Any] = {"hires.strength": 0.75}
OF_IMG2IMG: Mapping[str, Any] = {
    "init.strength": 0.75,
    "init.mask.content": "fill",
    "init.mask.area": "only masked",
    "init.mask.padding": 0,
}

# all fields with A1111's defaults, as an answer's "parameters" repeats them
_ECHO: Mapping[str, Any] = {
    "prompt": "", "negative_prompt": "", "styles": [], "seed": -1, "subseed": -1,
    "subseed_strength": 0, "seed_resize_from_h": -1, "seed_resize_from_w": -1,
    "sampler_name": None, "sampler_index": "Euler", "scheduler": None, "batch_size": 1,
    "n_iter": 1, "steps": 50, "cfg_scale": 7.0, "width": 512, "height": 512,
    "restore_faces": None, "tiling": None, "do_not_save_samples": False,
    "do_not_save_grid": False, "eta": None, "denoising_strength": 0.75, "s_min_uncond": None,
    "s_churn": None, "s_tmax": None, "s_tmin": None, "s_noise": None, "override_settings": {},
    "override_settings_restore_afterwards": True, "refiner_checkpoint": None,
    "refiner_switch_at": None, "disable_extra_networks": False, "firstpass_image": None,
    "comments": None, "script_name": None, "script_args": [], "alwayson_scripts": {},
    "send_images": True, "save_images": False, "force_task_id": None, "infotext": None,
}  # fmt: skip
ECHO_TXT2IMG: Mapping[str, Any] = {
    **_ECHO, "enable_hr": False, "firstphase_width": 0, "firstphase_height": 0, "hr_scale": 2.0,
    "hr_upscaler": None, "hr_second_pass_steps": 0, "hr_resize_x": 0, "hr_resize_y": 0,
    "hr_checkpoint_name": None, "hr_sampler_name": None, "hr_scheduler": None, "hr_prompt": "",
    "hr_negative_prompt": "", "hr_cfg": None,
}  # fmt: skip
ECHO_IMG2IMG: Mapping[str, Any] = {
    **_ECHO, "init_images": None, "resize_mode": 0, "image_cfg_scale": None, "mask": None,
    "mask_blur": None, "mask_blur_x": 4, "mask_blur_y": 4, "mask_round": True,
    "inpainting_fill": 0, "inpaint_full_res": True, "inpaint_full_res_padding": 0,
    "inpainting_mask_invert": 0, "initial_noise_multiplier": None, "latent_mask": None,
    "include_init_images": False,
}  # fmt: skip

# accepted, and said to be ignored where a client asks for it; neutral: what asks for nothing
WITHOUT_EFFECT: Mapping[str, tuple[Any, ...]] = {
    "restore_faces": (False,),
    "tiling": (False,),
    "styles": ([],),
    "s_min_uncond": (0,),
    "refiner_switch_at": (0, 1),
    "disable_extra_networks": (False,),
    "firstpass_image": ("",),
    "comments": ({},),
    "image_cfg_scale": (0, 1.5),
    # A1111's API overwrites them by what save_images says
    "do_not_save_samples": (False, True),
    "do_not_save_grid": (False, True),
}
