"""Tests of the kit for plugin authors."""
