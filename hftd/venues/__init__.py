"""The dialects: frames to events, actions to frames, and each venue's session table. Pure."""
