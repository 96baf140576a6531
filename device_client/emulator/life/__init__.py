"""The life of a device: who it is to whom, enrollment, registration, transfer."""
