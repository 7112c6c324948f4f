"""Evaluation: playing held-out tasks, comparing policies, intervals and reports."""
