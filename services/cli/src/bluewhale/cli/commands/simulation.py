"""`bluewhale simulate | demo | roles-demo`: PBXs that never existed, and the truth about their calls."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Annotated

import typer
from bluewhale.cli.door import guarded

DIALECTS = "avaya_cm,cisco_cucm,asterisk_csv"


def register(app: typer.Typer) -> None:
    """Hang these commands into the tree."""
    app.command("simulate")(simulate)
    app.command("demo")(demo)
    app.command("roles-demo")(roles_demo)


@guarded
def simulate(
    folder: Annotated[
        Path, typer.Argument(help="Where configuration, truth and files are written.")
    ],
    pbxs: Annotated[int, typer.Option(min=1, max=1000, help="How many PBXs.")] = 3,
    dialects: Annotated[str, typer.Option(help="Which makes, in turn.")] = DIALECTS,
    calls: Annotated[int, typer.Option(min=1, max=1_000_000, help="How many calls.")] = 300,
    seed: Annotated[int, typer.Option(help="The same seed makes the same calls.")] = 1,
    garbage: Annotated[int, typer.Option(min=0, help="Lines of garbage strewn in, per PBX.")] = 2,
    play: Annotated[
        bool, typer.Option("--play", help="Send to the links of a running `bluewhale up`.")
    ] = False,
    verify: Annotated[
        bool, typer.Option("--verify", help="Compare the store with the truth; changes nothing.")
    ] = False,
) -> None:
    """Make a world, play it to sockets and folders, or compare a store with its truth."""
    from bluewhale.cli.simulate import session

    world = session.World.of(folder, pbxs, tuple(dialects.split(",")), calls, seed, garbage)
    if verify:
        from bluewhale.cli.simulate.verify import verify as verify_store
        from bluewhale.database import Store

        with Store.open(folder / "data" / "store") as store:
            print(verify_store(world.truth, store))
    elif play:
        session.play(world)
    else:
        session.write(world)


@guarded
def demo(
    folder: Annotated[
        Path | None, typer.Option(help="Keep everything here; default: a folder that is removed.")
    ] = None,
    calls: Annotated[
        int, typer.Option(min=30, max=100_000, help="How many calls the PBXs make.")
    ] = 600,
    faults: Annotated[
        bool, typer.Option("--faults", help="Plant two faults and see them named.")
    ] = False,
    page: Annotated[
        bool | None,
        typer.Option(
            help="Serve the page at the end, until Ctrl-C; default: where a person is at a terminal."
        ),
    ] = None,
) -> None:
    """Three PBXs of three makes, real bytes, priced calls, checked against the truth."""
    from bluewhale.cli.demo import run

    at_terminal = sys.stdin.isatty() and sys.stdout.isatty()
    run(folder, calls=calls, faults=faults, page=at_terminal if page is None else page)


@guarded
def roles_demo(
    folder: Annotated[
        Path | None, typer.Option(help="Keep everything here; default: a folder that is removed.")
    ] = None,
    calls: Annotated[
        int, typer.Option(min=30, max=100_000, help="How many calls the PBXs make.")
    ] = 600,
) -> None:
    """Run the demo's fleet through all roles and two units, with real Kafka and PostgreSQL."""
    from bluewhale.cli.roles_demo import run

    run(folder, calls=calls)
