"""Registered CoAP numbers, one module per IANA registry, and the transmission parameters."""

from secure_coap.numbers.codes import Code
from secure_coap.numbers.content_formats import EXPERIMENTAL_C509, C509Formats, ContentFormat
from secure_coap.numbers.options import Option
from secure_coap.numbers.parameters import TransmissionParameters

__all__ = ["EXPERIMENTAL_C509", "C509Formats", "Code", "ContentFormat", "Option", "TransmissionParameters"]
