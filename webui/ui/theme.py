"""Gradio's own variables in terms of ours: every colour of the page is named once, in page.css."""

import gradio as gr
from gradio.themes import Base

_SYSTEM = ["ui-sans-serif", "system-ui", "-apple-system", "Segoe UI", "Roboto", "sans-serif"]
_MONO = ["ui-monospace", "SFMono-Regular", "Menlo", "Consolas", "monospace"]

# Shown before any style sheet has arrived, as the system has it: --dk-bg of light and dark.
_UNLIT = {"body_background_fill": "#f3efe9", "body_background_fill_dark": "#141110"}

_VARIABLES = {
    "body_text_color": "--dk-text",
    "body_text_color_subdued": "--dk-muted",
    "background_fill_primary": "--dk-panel",
    "background_fill_secondary": "--dk-raised",
    "border_color_primary": "--dk-line",
    "border_color_accent": "--dk-accent",
    "color_accent_soft": "--dk-accent-soft",
    "link_text_color": "--dk-accent-text",
    "link_text_color_hover": "--dk-accent-text",
    "link_text_color_active": "--dk-accent-text",
    "link_text_color_visited": "--dk-accent-text",
    "block_background_fill": "--dk-none",
    "block_border_color": "--dk-line",
    "block_info_text_color": "--dk-muted",
    "block_label_background_fill": "--dk-panel",
    "block_label_text_color": "--dk-muted",
    "block_title_text_color": "--dk-label",
    "panel_background_fill": "--dk-panel",
    "input_background_fill": "--dk-well",
    "input_background_fill_focus": "--dk-well",
    "input_border_color": "--dk-line",
    "input_border_color_focus": "--dk-accent",
    "input_placeholder_color": "--dk-faint",
    "slider_color": "--dk-accent",
    "loader_color": "--dk-accent",
    "error_background_fill": "--dk-error-soft",
    "error_border_color": "--dk-error",
    "error_text_color": "--dk-error",
    "button_primary_background_fill": "--dk-accent",
    "button_primary_background_fill_hover": "--dk-accent-hover",
    "button_primary_border_color": "--dk-accent",
    "button_primary_text_color": "--dk-on-accent",
    "button_secondary_background_fill": "--dk-raised",
    "button_secondary_background_fill_hover": "--dk-hover",
    "button_secondary_border_color": "--dk-line",
    "button_secondary_text_color": "--dk-text",
}
_SIZES = {
    "block_padding": "0px",
    "block_border_width": "0px",
    "block_shadow": "none",
    "block_radius": "10px",
    "block_title_text_size": "13px",
    "block_title_text_weight": "550",
    "block_info_text_size": "12px",
    "input_radius": "8px",
    "input_border_width": "1px",
    "input_shadow": "none",
    "input_shadow_focus": "none",
    "input_text_size": "14px",
    "layout_gap": "16px",
    "form_gap_width": "0px",
    "button_large_radius": "10px",
    "button_large_text_size": "15px",
    "button_large_text_weight": "600",
    "button_border_width": "1px",
}


def theme() -> Base:
    """System fonts, no request for any; light and dark from the same names."""
    made = Base(
        font=[gr.themes.Font(name) for name in _SYSTEM],
        font_mono=[gr.themes.Font(name) for name in _MONO],
        text_size=gr.themes.sizes.text_md,
    )
    colours = {name: f"var({ours})" for name, ours in _VARIABLES.items()}
    both = colours | {f"{name}_dark": value for name, value in colours.items()}
    return made.set(**_UNLIT, **both, **_SIZES)
