"""The profile: YAML to frozen, typed values, with errors that name file, line and key."""
