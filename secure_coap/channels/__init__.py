"""Ways to carry CoAP datagrams: plain UDP (loopback only) and DTLS 1.2, behind one interface."""
