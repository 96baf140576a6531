"""HTTP interfaces: partner API, CA API, admin API."""
