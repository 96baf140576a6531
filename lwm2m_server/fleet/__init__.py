"""What a service provider does with its fleet: groups, firmware, transfers."""
