"""The words: units, instruments, orders, events, actions, facts and their record layouts. Pure."""
