"""OCSP (RFC 6960) as narrow as RFC 5019 makes it: one certificate in a request, one answer. Sends nothing itself."""
