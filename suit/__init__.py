"""SUIT manifests (draft-ietf-suit-manifest): build, sign, verify, process."""
