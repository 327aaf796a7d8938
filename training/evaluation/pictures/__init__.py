"""Pictures as people bring them, made from strokes: pages, boards, colours, frames, neighbours."""
