"""What every request meets: keys, limits, errors, its line in the log, metrics."""
