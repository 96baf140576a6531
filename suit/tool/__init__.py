"""The `suit-tool` command: create, sign, encrypt, verify, parse, sever, compare and simulate manifests."""
