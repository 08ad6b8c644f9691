"""A network as somebody would add it: a folder with a card, and nothing anywhere else."""
