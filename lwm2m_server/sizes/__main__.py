"""Write the reference page: python -m lwm2m_server.sizes > docs/reference/sizes.md"""

from lwm2m_server.sizes.report import measure, page

if __name__ == "__main__":
    print(page(measure()), end="")
