"""The Gradio theme of the pages. The styles of the app's own elements are in `static/styles`."""

from __future__ import annotations

from typing import Any

from gradio.themes import Soft

FONTS = ["system-ui", "PingFang SC", "Microsoft YaHei", "Noto Sans CJK SC", "sans-serif"]
MONOSPACED = ["ui-monospace", "Consolas", "monospace"]
"""Names of fonts that may be installed. These are names and not Gradio's font objects, because the fonts of
such objects are downloaded from another site."""


def theme() -> Any:
    """The theme: plain surfaces and one accent colour.

    Text and controls have a contrast of at least 4.5 in light and in dark mode.
    """
    soft: Any = Soft(primary_hue="indigo", neutral_hue="slate", font=FONTS, font_mono=MONOSPACED)
    return soft.set(
        body_background_fill="*neutral_50",
        background_fill_primary="white",
        background_fill_primary_dark="*neutral_900",
        background_fill_secondary="*neutral_100",
        background_fill_secondary_dark="*neutral_800",
        body_text_color_subdued="*neutral_600",
        body_text_color_subdued_dark="*neutral_300",
        block_border_width="1px",
        block_border_color="*neutral_200",
        block_border_color_dark="*neutral_700",
        block_radius="12px",
        block_shadow="none",
        block_label_background_fill="transparent",
        block_label_background_fill_dark="transparent",
        block_label_border_width="0px",
        block_label_text_color="*neutral_700",
        block_label_text_color_dark="*neutral_200",
        block_title_background_fill="transparent",
        block_title_background_fill_dark="transparent",
        block_title_padding="0",
        block_title_text_color="*neutral_700",
        block_title_text_color_dark="*neutral_200",
        input_border_width="1px",
        input_border_color="*neutral_300",
        input_border_color_dark="*neutral_600",
        input_shadow="none",
        input_shadow_focus="none",
        input_placeholder_color="*neutral_500",
        input_placeholder_color_dark="*neutral_400",
        checkbox_border_color="*neutral_500",
        checkbox_border_color_dark="*neutral_400",
        checkbox_label_shadow="none",
        checkbox_label_border_width="1px",
        checkbox_label_border_color="*neutral_300",
        checkbox_label_border_color_dark="*neutral_600",
        checkbox_label_background_fill_selected="*primary_600",
        checkbox_label_background_fill_selected_dark="*primary_600",
        button_primary_background_fill="*primary_600",
        button_primary_background_fill_dark="*primary_600",
        button_primary_background_fill_hover="*primary_700",
        button_primary_background_fill_hover_dark="*primary_700",
        button_primary_shadow="none",
        button_primary_shadow_hover="none",
        button_large_radius="12px",
        button_secondary_background_fill="white",
        button_secondary_border_color="*neutral_300",
        button_secondary_border_color_dark="*neutral_600",
        button_secondary_shadow="none",
        button_secondary_shadow_hover="none",
        button_border_width="1px",
        color_accent="*primary_600",
    )
