"""What the server remembers: one SQLite database per installation, written before anything is answered."""
