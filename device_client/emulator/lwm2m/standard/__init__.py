"""Standard objects as any device has them; what they measure is simulated."""
