"""What the network is, and what it computes."""

__version__ = "0.2.0"
