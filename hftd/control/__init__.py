"""The handle: the control socket's protocol, its commands, its server and its client."""
