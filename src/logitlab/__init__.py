"""Logistic regression as a PyTorch Lightning experiment."""

__version__ = "0.1.0"
