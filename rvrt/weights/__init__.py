"""Weights on disk, this package's and others'."""
