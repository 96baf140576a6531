"""LwM2M data model: object definitions, paths, values and content formats (OMA LwM2M Core 1.2)."""
