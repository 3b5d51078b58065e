"""Where networks run: device, ranks, CUDA's libraries."""
