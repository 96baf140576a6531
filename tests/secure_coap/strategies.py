"""Hypothesis strategies for CoAP messages."""

from __future__ import annotations

from hypothesis import strategies as st

from secure_coap.message import MAX_OPTION_NUMBER, Message, MessageType
from secure_coap.numbers import Code

options = st.lists(st.tuples(st.integers(0, MAX_OPTION_NUMBER), st.binary(max_size=300)), max_size=8).map(
    lambda pairs: tuple(sorted(pairs, key=lambda pair: pair[0]))
)
mids = st.integers(0, 0xFFFF)
messages = st.builds(
    Message,
    type=st.sampled_from(MessageType),
    code=st.integers(1, 255).map(Code),
    mid=mids,
    token=st.binary(max_size=8),
    options=options,
    payload=st.binary(max_size=100),
)
