"""Many pictures to one table: ``python -m serving.batch``."""
