"""Evaluation of policies on held-out tasks: comparisons, intervals and reports."""
