"""Tests of secure_coap."""
