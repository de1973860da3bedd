"""The decision: one `step` over arrays that owns all trading state and touches nothing. Pure."""
