"""What only one world needs: its trainers, reports and commands."""
