"""What content may look like, and what a game does with it. Pure."""
