"""Registries and derived transmission values."""

from __future__ import annotations

import doctest

import pytest

from secure_coap import errors
from secure_coap.limits import Limits
from secure_coap.numbers import Code, Option, TransmissionParameters, codes
from secure_coap.numbers.options import is_critical, is_no_cache_key


def test_derived_values_of_rfc_7252_table_3() -> None:
    parameters = TransmissionParameters()
    derived = (
        parameters.max_transmit_span,
        parameters.max_transmit_wait,
        parameters.processing_delay,
        parameters.max_rtt,
        parameters.exchange_lifetime,
        parameters.non_lifetime,
    )
    assert derived == (45, 93, 2, 202, 247, 145)


@pytest.mark.parametrize(
    "wrong", [{"ack_timeout": 0}, {"ack_random_factor": 0.5}, {"max_retransmit": -1}, {"nstart": 0}, {"max_latency": 0}]
)
def test_parameters_that_make_no_sense(wrong: dict[str, int]) -> None:
    with pytest.raises(ValueError, match=r"at least|give"):
        TransmissionParameters(**wrong)


def test_block_exponent_seven_is_reserved() -> None:
    with pytest.raises(ValueError, match="block_exponent"):
        Limits(block_exponent=7)


def test_unknown_codes_survive() -> None:
    assert Code(0xBF) == 0xBF
    assert Code(0xBF).name == "UNKNOWN_5_31"
    with pytest.raises(ValueError, match="256"):
        Code(256)


def test_option_classes() -> None:
    assert is_critical(Option.URI_PATH)
    assert not is_critical(Option.ETAG)
    assert [option for option in Option if is_no_cache_key(option)] == [Option.SIZE2, Option.SIZE1, Option.ECHO]


def test_code_examples() -> None:
    assert doctest.testmod(codes).failed == 0


def test_every_error_code_has_one_exception() -> None:
    registered = {code for code in Code if code.code_class in (4, 5)}
    without_class = {Code.BAD_GATEWAY, Code.GATEWAY_TIMEOUT}  # of proxies, which this is not
    assert set(errors.ERROR_OF_CODE) == registered - without_class
    assert all(errors.error_of(code, "why").code == code for code in registered)
    assert str(errors.NotFound("nothing")) == "4.04 NOT_FOUND: nothing"
