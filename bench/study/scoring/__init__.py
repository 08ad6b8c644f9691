"""Results of a study's votes: screening, means, preference, agreement, and comparison with metrics."""
