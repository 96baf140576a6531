"""`lwm2m-server sizes`."""

from typing import Annotated

import typer

from lwm2m_server.cli.common import Exit, Output, fail, show


def sizes(
    as_json: Annotated[bool, typer.Option("--json", help="Print the figures as one JSON object.")] = False,
) -> None:
    """Count the bytes of one transfer on the wire, by profile, by running each operation on loopback."""
    import json

    from lwm2m_server.sizes.nominal import NoSteadySize
    from lwm2m_server.sizes.report import details, figures, measure, table

    try:
        columns = measure()
    except NoSteadySize as error:
        fail(Exit.REFUSED, str(error))
    if as_json:
        typer.echo(json.dumps(figures(columns)))
        return
    show(Output.TABLE, table(columns))
    for column in columns:
        typer.echo("\n".join(["", f"{column.name}: {column.title}", *(f"  {option}" for option in column.options)]))
    typer.echo()
    show(Output.TABLE, details(columns))
