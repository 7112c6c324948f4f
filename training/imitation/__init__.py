"""Imitation learning: behaviour cloning, teachers, and corrections by a teacher (DAgger)."""
