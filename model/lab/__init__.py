"""The exercise sheet's mathematics in float64: one source of numbers for command, page and tests.

Each panel is a pure function of keyword arguments that returns what JSON can hold; `panels`
reads its arguments out of texts.
"""
