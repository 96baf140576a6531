"""CoAP (RFC 7252, RFC 7959), sans-IO, and the secure channels it runs over."""
