"""What the network is and what it computes."""

__version__ = "0.2.0"  # of the whole project: pyproject.toml, server and image take it from here
