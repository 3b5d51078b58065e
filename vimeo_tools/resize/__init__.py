"""MATLAB's imresize; NumPy alone."""
