"""The layers as one compiled part, for inference on a CPU: `rvrt.models.kernels.backends` says
whether it is there, `calls` has it on NumPy arrays, `cells` as parts of the networks."""
