"""What whoever writes a component store of their own tests it with."""
