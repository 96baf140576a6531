"""Our code against independent implementations: what each file covers is in its first lines."""
