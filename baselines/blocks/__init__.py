"""Layers that several networks share, one definition each."""
