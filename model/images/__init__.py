"""From bytes or strokes to the 28 rows that a network reads."""
