"""One file for each command of rvrt: parse, call one function."""
