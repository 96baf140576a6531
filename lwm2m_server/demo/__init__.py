"""The whole life cycle on one machine: real commands, separate processes, real sockets.

Everything here runs the product from outside, by its commands and its files; no part of the product knows of it.
"""
