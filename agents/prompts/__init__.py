"""Prompts: templates and tokenizers that convert text to tokens, and tokens to actions."""
