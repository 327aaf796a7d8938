"""What a network is tried on, and the figures that come of it."""
