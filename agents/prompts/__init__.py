"""Prompts: how text becomes tokens, and tokens become actions."""
