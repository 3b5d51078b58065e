"""RVRT and RVRT Light in MindSpore: networks, trainer, evaluator, inference."""
