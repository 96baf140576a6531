"""The messages of the trust transfer: bytes in, values out, and back.

Nothing here knows a clock, a network or a store. Each parser refuses in the same order - size, envelope, typ, signer,
signature, claims - so that nothing deep is read before its signature is verified, and each refusal is a `MessageError`
with its registered Result. The wire format is docs/reference/transfer.cddl.
"""
