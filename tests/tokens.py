"""A real PKCS#11 token: SoftHSM's."""

from __future__ import annotations

import os
import subprocess
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import pkcs11
from pkcs11.util.ec import encode_named_curve_parameters

MODULE = "/usr/lib/softhsm/libsofthsm2.so"


@dataclass(frozen=True)
class Token:
    """A token `signing` with the keys `firmware` (P-256), `large` (P-384) and `rsa`; `pin` is the PIN's file."""

    pin: Path

    def uri(self, key: str = "object=firmware", more: str = "") -> str:
        return f"pkcs11:token=signing;{key}?module-path={MODULE}&pin-source={self.pin}{more}"


@contextmanager
def made_token(folder: Path) -> Iterator[Token]:
    """A new token, which this process sees until the end of the context."""
    (folder / "tokens").mkdir()
    (folder / "softhsm2.conf").write_text(f"directories.tokendir = {folder / 'tokens'}\n")
    # SoftHSM reads it once in a process, so it is set before the first use and for all.
    os.environ["SOFTHSM2_CONF"] = str(folder / "softhsm2.conf")
    command = ["softhsm2-util", "--init-token", "--free", "--label", "signing", "--so-pin", "12345678", "--pin", "4321"]
    subprocess.run(command, check=True, capture_output=True)
    pin = folder / "signing.pin"
    pin.write_text("4321\n")
    pin.chmod(0o600)
    # As in the product, tokens have a thread of their own: SoftHSM leaves errors there that `ssl` would find.
    with ThreadPoolExecutor(max_workers=1) as thread:
        thread.submit(_make_keys).result()
    yield Token(pin)
    del os.environ["SOFTHSM2_CONF"]


def _make_keys() -> None:
    with pkcs11.lib(MODULE).get_token(token_label="signing").open(user_pin="4321", rw=True) as session:
        for label, curve in (("firmware", "secp256r1"), ("large", "secp384r1")):
            parameters = {pkcs11.Attribute.EC_PARAMS: encode_named_curve_parameters(curve)}
            domain = session.create_domain_parameters(pkcs11.KeyType.EC, parameters, local=True)
            domain.generate_keypair(label=label, id=label.encode(), store=True)
        session.generate_keypair(pkcs11.KeyType.RSA, 2048, label="rsa", store=True)
