"""What a process of the server can be: service provider, certification authority."""
