"""Restored frames measured against true ones."""
