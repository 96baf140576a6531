"""The transfer of trust between two providers: messages, the device, the providers."""
