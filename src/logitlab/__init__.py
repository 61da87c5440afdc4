"""Logistic regression as a PyTorch Lightning experiment."""
