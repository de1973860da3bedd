"""The command lines: `hftd` runs and inspects, `hftctl` watches and commands."""
