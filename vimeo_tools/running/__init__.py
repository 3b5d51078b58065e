"""How work is run: jobs, folders, failures, progress."""
