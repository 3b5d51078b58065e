"""One module for each command of vimeo-prep."""
