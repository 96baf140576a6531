"""What runs on a device: SUIT manifests kept, processed and reported, by every kind of emulated device alike."""
