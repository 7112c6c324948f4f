"""World-specific trainers, reports and commands."""
