"""A study's score for readers: console, page, LaTeX, figure."""
