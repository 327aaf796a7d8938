"""How the networks came to be: data in, run folder out."""
