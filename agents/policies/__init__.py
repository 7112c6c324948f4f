"""Policies: scripts, people, language models and tables that choose actions."""
