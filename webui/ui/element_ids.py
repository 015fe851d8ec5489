"""Where a field stands on the page: the end of its element id, and the fold it stands inside."""

# The field's name -> the end of its element id; A1111's ids, which users' scripts and styles know.
IDS = {
    "prompt": "prompt",
    "negative_prompt": "neg_prompt",
    "sampler": "sampling",
    "schedule": "scheduler",
    "steps": "steps",
    "guidance_scale": "cfg_scale",
    "width": "width",
    "height": "height",
    "batch_count": "batch_count",
    "batch_size": "batch_size",
    "seed": "seed",
    "variation.seed": "subseed",
    "variation.strength": "subseed_strength",
    "seed_resize.width": "seed_resize_from_w",
    "seed_resize.height": "seed_resize_from_h",
    # and those for which A1111 has no element
    "sampling.eta": "eta",
    "sampling.s_churn": "s_churn",
    "sampling.s_tmin": "s_tmin",
    "sampling.s_tmax": "s_tmax",
    "sampling.s_noise": "s_noise",
    "sampling.order": "solver_order",
    "sampling.solver_type": "solver_type",
    "schedule_options.sigma_min": "sigma_min",
    "schedule_options.sigma_max": "sigma_max",
    "schedule_options.rho": "rho",
    "schedule_options.shift": "shift",
    "schedule_options.sigmas": "sigmas",
    "rng": "rng",
    "emphasis": "emphasis",
    # a picture to begin with
    "init.picture": "image",
    "init.strength": "denoising_strength",
    "init.resize": "resize_mode",
    "init.noise_multiplier": "noise_multiplier",
    "init.exact_steps": "exact_steps",
    "size.mode": "tabs_resize",
    "size.scale": "scale",
    "init.loopback.on": "loopback",
    "init.loopback.loops": "loops",
    "init.loopback.final_strength": "final_denoising_strength",
    "init.loopback.curve": "denoising_curve",
    "init.tiles.on": "sd_upscale",
    "init.tiles.scale": "scale_factor",
    "init.tiles.upscaler": "upscaler_index",
    "init.tiles.overlap": "overlap",
    # a part of it, or more around it
    "init.mode": "mode",
    "init.mask.picture": "mask",
    "init.mask.blur": "mask_blur",
    "init.mask.inverted": "mask_mode",
    "init.mask.content": "inpainting_fill",
    "init.mask.area": "inpaint_full_res",
    "init.mask.padding": "inpaint_full_res_padding",
    "init.mask.soft": "soft_inpainting",
    "init.outpaint.left": "outpaint_left",
    "init.outpaint.right": "outpaint_right",
    "init.outpaint.up": "outpaint_up",
    "init.outpaint.down": "outpaint_down",
    "init.outpaint.blend": "outpaint_blend",
    # a second pass
    "hires.on": "hr_enable",
    "hires.upscaler": "hr_upscaler",
    "hires.scale": "hr_scale",
    "hires.width": "hr_resize_x",
    "hires.height": "hr_resize_y",
    "hires.steps": "hires_steps",
    "hires.strength": "denoising_strength",
    "hires.sampler": "hr_sampling",
    "hires.schedule": "hr_scheduler",
    "hires.prompt": "hires_prompt",
    "hires.negative_prompt": "hires_neg_prompt",
    "hires.guidance_scale": "hr_cfg",
    # a picture made larger
    "upscale.picture": "image",
    "upscale.mode": "resize_mode",
    "upscale.upscaler": "upscaler_1",
    "upscale.scale": "upscaling_resize",
    "upscale.width": "upscaling_resize_w",
    "upscale.height": "upscaling_resize_h",
    "upscale.crop": "upscaling_crop",
    "upscale.second": "upscaler_2",
    "upscale.second_visibility": "upscaler_2_visibility",
}
# What stands above the tabs, once for all; A1111's ids, which it makes of the settings' names.
SHARED_IDS = {
    "model": "setting_sd_model_checkpoint",
    "vae": "setting_sd_vae",
    "clip_skip": "setting_CLIP_stop_at_last_layers",
}
# The folds: their end of the id, and of which fields' names the first part stands inside.
PROMPT_FOLD, SAMPLER_FOLD, SEED_FOLD = "prompt_options", "sampler_options", "subseed_row"
HIRES_FOLD, LOOPBACK_FOLD, TILES_FOLD = "hr", "loopback_fold", "sd_upscale_fold"
HIRES_MORE, SECOND_FOLD = "hr_more", "upscaler_2_fold"
_FOLDS = {
    "emphasis": PROMPT_FOLD,
    "sampling": SAMPLER_FOLD,
    "schedule_options": SAMPLER_FOLD,
    "variation": SEED_FOLD,
    "seed_resize": SEED_FOLD,
    "rng": SEED_FOLD,
    "hires.steps": HIRES_MORE,
    "hires.width": HIRES_MORE,
    "hires.height": HIRES_MORE,
    "hires.sampler": HIRES_MORE,
    "hires.schedule": HIRES_MORE,
    "hires.prompt": HIRES_MORE,
    "hires.negative_prompt": HIRES_MORE,
    "hires.guidance_scale": HIRES_MORE,
    "upscale.second": SECOND_FOLD,
}


def fold_of(name: str) -> str | None:
    """The end of the id of the fold that a field stands inside, if it is inside one."""
    while name not in _FOLDS and "." in name:
        name = name.rpartition(".")[0]
    return _FOLDS.get(name)
