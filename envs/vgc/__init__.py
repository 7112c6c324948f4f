"""Pokémon VGC: double battles on the real simulator."""
