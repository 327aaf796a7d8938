"""What the network is and what it computes; see ``README.md`` for the file map."""
