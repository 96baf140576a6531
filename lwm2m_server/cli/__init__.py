"""The command line. Modules here import only typer at the top: `--help` answers at once."""
