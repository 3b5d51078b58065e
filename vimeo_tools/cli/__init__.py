"""vimeo-prep: options in, one function called, messages out; a file for each command."""
