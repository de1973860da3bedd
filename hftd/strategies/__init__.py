"""The opinions: one file each, from what the engine sees to the quotes it should have. Pure."""
