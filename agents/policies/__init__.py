"""Policies: who decides, from scripts and people to language models and tables."""
