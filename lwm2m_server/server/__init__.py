"""The running LwM2M server: asyncio and the store around the sans-IO interfaces of `lwm2m_server.protocol`."""
