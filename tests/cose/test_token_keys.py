"""Keys in a PKCS#11 token: a real one, SoftHSM's."""

from __future__ import annotations

from contextlib import closing
from pathlib import Path

import pytest
from cryptography.exceptions import UnsupportedAlgorithm
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.asymmetric.utils import Prehashed

from cose.keys import UnusableKey
from cose.sign1 import Sign1, create
from cose.token_keys import load_token_key
from tests.tokens import Token


@pytest.mark.parametrize("name", ["object=firmware", "object=large", "id=firmware", "id=%66irmware;type=private"])
def test_what_the_token_signs_is_a_cose_sign1(token: Token, name: str) -> None:
    with closing(load_token_key(token.uri(name))) as key, closing(load_token_key(token.uri(name))):
        message = create(b"payload", key, protected={})
    assert Sign1.parse(message, max_size=1024).verify(key.public_key()) == b"payload"


def test_the_key_stays_in_its_token(token: Token) -> None:
    key = load_token_key(token.uri())
    key.close()
    with pytest.raises(UnsupportedAlgorithm):
        key.private_numbers()
    with pytest.raises(UnsupportedAlgorithm):
        key.private_bytes(serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption())
    with pytest.raises(UnsupportedAlgorithm):
        key.exchange(ec.ECDH(), key.public_key())


def test_a_digest_is_signed_as_the_data_itself(token: Token) -> None:
    digest = hashes.Hash(hashes.SHA256())
    digest.update(b"data")
    with closing(load_token_key(token.uri())) as key:
        signature = key.sign(digest.finalize(), ec.ECDSA(Prehashed(hashes.SHA256())))
    key.public_key().verify(signature, b"data", ec.ECDSA(hashes.SHA256()))


@pytest.mark.parametrize(
    ("name", "remedy"),
    [
        ("object=other", "(?i)no key|no such key"),
        ("object=rsa", "elliptic curve"),
        ("type=private", "which key"),
        ("object=firmware;type=public", "type=private"),
        ("object=firmware;object=large", "each once"),
        ("object=firmware;slot-id=0", "cannot be used"),
    ],
)
def test_a_name_that_leads_nowhere_says_why(token: Token, name: str, remedy: str) -> None:
    with pytest.raises(UnusableKey, match=remedy):
        load_token_key(token.uri(name))


def test_a_pin_comes_from_a_file_of_the_owner_only(token: Token, tmp_path: Path) -> None:
    with pytest.raises(UnusableKey, match="pin-source"):
        load_token_key(token.uri(more="&pin-value=4321"))
    wrong = tmp_path / "pin"
    wrong.write_text("0000")
    wrong.chmod(0o644)
    with pytest.raises(UnusableKey, match="chmod 600"):
        load_token_key(Token(wrong).uri())
    wrong.chmod(0o600)
    with pytest.raises(UnusableKey, match="pin incorrect"):
        load_token_key(Token(wrong).uri())


def test_modules_and_tokens_have_to_be_there(token: Token, tmp_path: Path) -> None:
    with pytest.raises(UnusableKey, match="names no module"):
        load_token_key("pkcs11:token=signing;object=firmware")
    with pytest.raises(UnusableKey, match="cannot be used"):
        load_token_key(f"pkcs11:token=signing;object=firmware?module-path={tmp_path}/none.so")
    with pytest.raises(UnusableKey, match=r"(?i)no token"):
        load_token_key(token.uri().replace("signing;", "other;"))
