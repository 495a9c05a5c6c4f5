"""Figures: kinds of plots, the house style, and the figures of the lessons."""
