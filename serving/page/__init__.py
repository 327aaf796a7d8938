"""The page: a Gradio app around the live view in `static/`."""
