"""The compact values of extensions, by kind: each module offers functions from DER to an item and back.

A function to an item raises `C509Error` (UNSUPPORTED) or ValueError for a value that the compact form cannot express;
the extension then travels as DER under its object identifier.
"""
