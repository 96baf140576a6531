"""Ways to carry CoAP: UDP and TCP without security, DTLS 1.2 and TLS. They decide whose the bytes are."""
