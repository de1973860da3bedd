"""The shipped presets' numbers by name, read once."""

from __future__ import annotations

from hftd.config.preset_shelf import load_preset, names
from hftd.simex.presets import Preset, preset_of

PRESETS: dict[str, Preset] = {name: preset_of(load_preset(name)) for name in names()}
