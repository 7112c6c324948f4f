"""Imitation: cloning, teachers, and corrections by them (DAgger)."""
