"""Samplers: one file each, one line each in SAMPLERS.

A sampler is a generator: it walks the sigmas down and yields a Step for each, ending at a clean
latent. It keeps no state between runs and knows nothing of models or prompts. With k past steps it
goes on at step k, exactly as if it had made them. What people can set are keyword-only arguments,
with the papers' defaults. `flow` says how each walks the levels of a rectified flow. SAMPLERS is in
the order of the page: A1111's, then the others.
"""

from collections.abc import Mapping
from functools import partial

from webui.engine.rectified_flow import exploded, without
from webui.engine.samplers.by_diffusers import deis, unipc
from webui.engine.samplers.ddim import ddim
from webui.engine.samplers.ddim_cfgpp import ddim_cfgpp
from webui.engine.samplers.ddpm import ddpm
from webui.engine.samplers.dpm2 import dpm2
from webui.engine.samplers.dpm2_ancestral import dpm2_ancestral
from webui.engine.samplers.dpm_adaptive import dpm_adaptive
from webui.engine.samplers.dpm_fast import dpm_fast
from webui.engine.samplers.dpmpp_2m import dpmpp_2m
from webui.engine.samplers.dpmpp_2m_cfgpp import dpmpp_2m_cfgpp
from webui.engine.samplers.dpmpp_2m_sde import dpmpp_2m_sde
from webui.engine.samplers.dpmpp_2m_sde_heun import dpmpp_2m_sde_heun
from webui.engine.samplers.dpmpp_2s_ancestral import dpmpp_2s_ancestral
from webui.engine.samplers.dpmpp_3m_sde import dpmpp_3m_sde
from webui.engine.samplers.dpmpp_sde import dpmpp_sde
from webui.engine.samplers.er_sde import er_sde
from webui.engine.samplers.euler import euler
from webui.engine.samplers.euler_ancestral import euler_ancestral
from webui.engine.samplers.euler_ancestral_cfgpp import euler_ancestral_cfgpp
from webui.engine.samplers.heun import heun
from webui.engine.samplers.heunpp2 import heunpp2
from webui.engine.samplers.lcm import lcm
from webui.engine.samplers.lms import lms
from webui.engine.samplers.plms import plms
from webui.engine.samplers.restart import restart
from webui.engine.splitting import mixed, mixed_posterior
from webui.interfaces import Sampler, SamplerEntry

# noise that these add for a while, or in between, is only added
_unchurned = partial(without, option="s_churn", instead="Euler a or Heun without churn")
_noiseless = partial(without, option="eta", instead="Euler a, DPM++ 2S a or DPM++ SDE")

ENTRIES: Mapping[str, SamplerEntry] = {
    "DPM++ 2M": SamplerEntry(dpmpp_2m, "Karras", flow=dpmpp_2m),
    "DPM++ SDE": SamplerEntry(dpmpp_sde, "Karras", noise="brownian", flow=exploded(dpmpp_sde)),
    "DPM++ 2M SDE": SamplerEntry(
        dpmpp_2m_sde, "Exponential", noise="brownian", flow=exploded(dpmpp_2m_sde)
    ),
    "DPM++ 2M SDE Heun": SamplerEntry(
        dpmpp_2m_sde_heun, "Exponential", noise="brownian", flow=exploded(dpmpp_2m_sde_heun)
    ),
    "DPM++ 2S a": SamplerEntry(
        dpmpp_2s_ancestral, "Karras", flow=partial(dpmpp_2s_ancestral, split=mixed)
    ),
    "DPM++ 3M SDE": SamplerEntry(
        dpmpp_3m_sde, "Exponential", drops_penultimate=True, noise="brownian",
        flow=exploded(dpmpp_3m_sde),
    ),
    "Euler a": SamplerEntry(euler_ancestral, flow=partial(euler_ancestral, split=mixed)),
    "Euler": SamplerEntry(euler, flow=_unchurned(euler)),
    "LMS": SamplerEntry(lms, flow=lms),
    "Heun": SamplerEntry(heun, flow=_unchurned(heun)),
    "DPM2": SamplerEntry(dpm2, "Karras", drops_penultimate=True, flow=_unchurned(dpm2)),
    "DPM2 a": SamplerEntry(
        dpm2_ancestral, "Karras", drops_penultimate=True,
        flow=partial(dpm2_ancestral, split=mixed),
    ),
    "DPM fast": SamplerEntry(dpm_fast, own_pace=True, flow=_noiseless(dpm_fast)),
    "DPM adaptive": SamplerEntry(
        dpm_adaptive, memory=True, own_pace=True, flow=_noiseless(dpm_adaptive)
    ),
    "Restart": SamplerEntry(restart, "Karras", own_pace=True),
    "DDIM": SamplerEntry(ddim, flow=partial(ddim, split=mixed_posterior)),
    "DDIM CFG++": SamplerEntry(ddim_cfgpp, plus_plus=True, flow=exploded(ddim_cfgpp)),
    "PLMS": SamplerEntry(plms, memory=True, flow=plms),
    "UniPC": SamplerEntry(unipc, memory=True, flow=unipc),
    "LCM": SamplerEntry(lcm, flow=exploded(lcm)),
    "DDPM": SamplerEntry(ddpm, flow=partial(ddpm, split=mixed_posterior)),
    "DEIS": SamplerEntry(deis, flow=deis),
    "Heun++ 2": SamplerEntry(heunpp2, flow=_unchurned(heunpp2)),
    "ER-SDE": SamplerEntry(er_sde, flow=exploded(er_sde)),
    "Euler a CFG++": SamplerEntry(
        euler_ancestral_cfgpp, plus_plus=True, flow=exploded(euler_ancestral_cfgpp)
    ),
    "DPM++ 2M CFG++": SamplerEntry(
        dpmpp_2m_cfgpp, memory=True, plus_plus=True, flow=exploded(dpmpp_2m_cfgpp)
    ),
}  # fmt: skip

SAMPLERS: Mapping[str, Sampler] = {name: entry.sample for name, entry in ENTRIES.items()}
