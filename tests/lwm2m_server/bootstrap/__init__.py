"""Bootstrap: profiles, sessions, the interface over real sockets."""
