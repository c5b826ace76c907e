"""The command tree of `kubectl bluewhale`, every branch a thin door.

Owns words, options and exit codes. Orders are `orders`, what is shown is `dashboard`.
"""

from __future__ import annotations

import functools
import shutil
import sys
import time
import traceback
from collections.abc import Callable
from datetime import UTC, datetime
from pathlib import Path
from typing import Annotated, ParamSpec, TypeVar

import typer
from bluewhale.kubectl.asking import REMOTE_UNITS, Kubectl
from bluewhale.kubectl.bundle import PART, Bundle, own_version
from bluewhale.kubectl.dashboard import OperatorSeen, detail, overview
from bluewhale.kubectl.enrolling import Centre, centre_of, enrol, unit_file
from bluewhale.kubectl.exceptions import BluewhaleError, ClusterError, InputError, NotDoneError
from bluewhale.kubectl.orders import Orders
from bluewhale.kubectl.resources import Resource, read_resource

P = ParamSpec("P")
R = TypeVar("R")
OPERATOR = f"{PART},app.kubernetes.io/component=operator"
CLEAR = "\x1b[H\x1b[2J"
ENROLMENT_PORT_AFTER = 4  # a unit enrols at the centre's port + 4 unless told otherwise

app = typer.Typer(
    name="kubectl-bluewhale",
    help=(
        "RemoteUnits of Bluewhale: how they are, who reads, what they hold. Exit codes: 0 done, all well;"
        " 1 something is not well, or an order was not carried out in time; 2 the input is refused or the"
        " cluster does not answer."
    ),
    no_args_is_help=True,
    rich_markup_mode=None,
    pretty_exceptions_enable=False,
    add_completion=False,
    context_settings={"help_option_names": ["-h", "--help"]},
)

Name = Annotated[str, typer.Argument(metavar="REMOTEUNIT", help="Name of the RemoteUnit.")]
ContextOption = Annotated[str, typer.Option("--context", help="Context of the kubeconfig.")]
KubeconfigOption = Annotated[
    Path | None, typer.Option("--kubeconfig", help="As for kubectl; default: KUBECONFIG.")
]
NamespaceOption = Annotated[
    str, typer.Option("--namespace", "-n", help="Namespace; default: that of the context.")
]
EverywhereOption = Annotated[bool, typer.Option("--all-namespaces", "-A", help="All namespaces.")]
TimeoutOption = Annotated[
    float, typer.Option("--timeout", min=1, help="Seconds to wait for it.", show_default=True)
]


def guarded(command: Callable[P, R]) -> Callable[P, R]:
    """Show an operating error as one clear message."""

    @functools.wraps(command)
    def run(*args: P.args, **kwargs: P.kwargs) -> R:
        try:
            return command(*args, **kwargs)
        except BluewhaleError as error:
            note(f"kubectl bluewhale: {error}")
            raise typer.Exit(1 if isinstance(error, NotDoneError) else 2) from None
        except KeyboardInterrupt:
            note("kubectl bluewhale: stopped; an order that was given stands")
            raise typer.Exit(130) from None

    return run


def note(text: str) -> None:
    """Tell a person something that is not a result."""
    print(text, file=sys.stderr, flush=True)


@app.command()
@guarded
def status(
    name: Annotated[
        str, typer.Argument(metavar="REMOTEUNIT", help="One alone, with its units and links.")
    ] = "",
    namespace: NamespaceOption = "",
    everywhere: EverywhereOption = False,
    watch: Annotated[
        bool, typer.Option("--watch", "-w", help="Show it again and again, until Ctrl-C.")
    ] = False,
    every: Annotated[
        float, typer.Option("--every", min=1, help="Seconds between two looks of --watch.")
    ] = 2.0,
    context: ContextOption = "",
    kubeconfig: KubeconfigOption = None,
) -> None:
    """Show RemoteUnits as a dashboard, and the remedy of what is not well.

    Exit code 1 if something is not well.

    \b
      kubectl bluewhale status -A            all of the cluster
      kubectl bluewhale status berlin        one, with its units, links and addresses
      kubectl bluewhale status -A --watch
    """  # noqa: D301 - click keeps the lines behind \b as they are
    kubectl = Kubectl(context, kubeconfig, namespace, everywhere)
    while watch:
        try:
            shown, _ = _looked(kubectl, name)
        except ClusterError as error:  # it comes back, and the watch is still there
            shown = str(error)
        print(f"{CLEAR if sys.stdout.isatty() else ''}{shown}\n", flush=True)
        time.sleep(every)
    shown, well = _looked(kubectl, name)
    print(shown)
    if not well:
        raise typer.Exit(1)


@app.command()
@guarded
def switchover(
    name: Name,
    unit: Annotated[str, typer.Argument(metavar="UNIT", help="The unit that shall read.")],
    namespace: NamespaceOption = "",
    timeout: TimeoutOption = 30.0,
    context: ContextOption = "",
    kubeconfig: KubeconfigOption = None,
) -> None:
    """Let another unit read all links; tell the seconds.

    Planned: the owner stops, then the other begins, nothing is read twice. Without success within --timeout the
    order is taken back. Unless spec.failback is Manual links go back to their preferred units after holdSeconds.

    \b
      kubectl bluewhale switchover berlin berlin-2
    """  # noqa: D301 - click keeps the lines behind \b as they are
    orders = Orders(Kubectl(context, kubeconfig, namespace), note)
    took = orders.switchover(name, unit, timeout_s=timeout)
    print(f"{unit} reads all links of {name} ({took:.1f} s)")


@app.command()
@guarded
def drain(
    name: Annotated[
        str, typer.Argument(metavar="REMOTEUNIT|UNIT", help="A RemoteUnit, or one of its units.")
    ],
    namespace: NamespaceOption = "",
    timeout: TimeoutOption = 600.0,
    context: ContextOption = "",
    kubeconfig: KubeconfigOption = None,
) -> None:
    """Stop reading; wait until all is stored.

    It is what a deletion waits for. A RemoteUnit is fenced first and stays so: PBXs that cannot wait lose records
    meanwhile (syslog over UDP). A UNIT gives its links to another connected unit of the same RemoteUnit first, and
    nothing is lost. One that is being deleted is watched alone.

    \b
      kubectl bluewhale drain berlin         then: kubectl delete ru berlin, or kubectl bluewhale unfence berlin
      kubectl bluewhale drain berlin-1       then: work on its node, or take it out of spec.units
    """  # noqa: D301 - click keeps the lines behind \b as they are
    orders = Orders(Kubectl(context, kubeconfig, namespace), note)
    took = orders.drain(name, timeout_s=timeout)
    print(f"{name}: nothing left that is not stored ({took:.0f} s)")


@app.command()
@guarded
def fence(
    name: Name,
    namespace: NamespaceOption = "",
    timeout: TimeoutOption = 30.0,
    context: ContextOption = "",
    kubeconfig: KubeconfigOption = None,
) -> None:
    """Let nobody read the links of a RemoteUnit until `unfence`.

    For work on a PBX, or when a unit reads what it should not. What was read goes on to be stored. TCP senders and
    files wait, syslog over UDP is lost.
    """
    took = Orders(Kubectl(context, kubeconfig, namespace), note).fence(name, timeout_s=timeout)
    print(f"nobody reads {name} ({took:.1f} s); to go on: kubectl bluewhale unfence {name}")


@app.command()
@guarded
def unfence(
    name: Name,
    namespace: NamespaceOption = "",
    timeout: TimeoutOption = 60.0,
    context: ContextOption = "",
    kubeconfig: KubeconfigOption = None,
) -> None:
    """Let units read again; wait until every link is read."""
    took = Orders(Kubectl(context, kubeconfig, namespace), note).unfence(name, timeout_s=timeout)
    print(f"every link of {name} is read ({took:.1f} s)")


@app.command("enrol")
@guarded
def enrol_unit(
    name: Name,
    unit: Annotated[str, typer.Argument(metavar="UNIT", help="Default: the preferred unit.")] = "",
    namespace: NamespaceOption = "",
    centre: Annotated[
        str,
        typer.Option(
            help="host:port of ingest as the unit reaches it; default: what its Service says."
        ),
    ] = "",
    enrolment: Annotated[
        str,
        typer.Option(
            help="host:port where it enrols; default: the Service's, or the centre's port + 4."
        ),
    ] = "",
    to: Annotated[
        Path | None,
        typer.Option("--to", help="Write unit.yaml here, for its owner alone; default: print it."),
    ] = None,
    timeout: TimeoutOption = 30.0,
    context: ContextOption = "",
    kubeconfig: KubeconfigOption = None,
) -> None:
    """Make a fresh one-time token, and unit.yaml for a unit outside the cluster.

    For a new unit, one that lost its disk, or one that was revoked. It is a secret: one use, one hour. A unit inside the
    cluster takes its token by itself.

    \b
      kubectl bluewhale enrol depot depot-1 --to unit.yaml
    """  # noqa: D301 - click keeps the lines behind \b as they are
    kubectl = Kubectl(context, kubeconfig, namespace)
    orders = Orders(kubectl, note)
    resource = orders.find(name)
    unit = unit or resource.declared[0]
    where = None if resource.in_cluster else _centre(kubectl, centre, enrolment)
    token = enrol(orders, resource, unit, timeout_s=timeout)
    if where is None or token is None:
        print(f"{unit} has a fresh token in its Secret and takes it within a minute or two")
        return
    text = unit_file(unit, where, token)
    if to is None:
        print(text, end="")
    else:
        to.touch(mode=0o600)
        to.write_text(text, "utf-8")
    note(
        f"\nOn the machine of {unit}:\n"
        "  install -m 600 unit.yaml /etc/bluewhale/unit.yaml\n"
        "  python -m bluewhale.remoteunit --config /etc/bluewhale/unit.yaml\n"
        f"Then here: kubectl bluewhale status {name} -n {resource.namespace}"
    )


@app.command()
@guarded
def diagnose(
    namespace: NamespaceOption = "",
    everywhere: EverywhereOption = False,
    to: Annotated[
        Path | None,
        typer.Option("--to", help="The archive; default: bluewhale-diagnose-TIME.tar.gz here."),
    ] = None,
    context: ContextOption = "",
    kubeconfig: KubeconfigOption = None,
) -> None:
    """Write an archive for whoever helps, without secrets.

    Resources, events, logs, configuration, versions. Secrets are never asked for; passwords, keys and tokens elsewhere are replaced; directories and tariffs are left out.
    Asks in one namespace, or with -A in every one that has RemoteUnits or parts of Bluewhale. What you may not see is
    named in the archive and left out. Look through it before you give it away.
    """
    kubectl = Kubectl(context, kubeconfig, namespace, everywhere)
    at = datetime.now(UTC)
    path = to or Path(f"bluewhale-diagnose-{at:%Y%m%d-%H%M%S}.tar.gz")
    if not path.name.endswith(".tar.gz"):
        raise InputError(f"{path} must end in .tar.gz")
    status_text, found = "", set()
    try:
        resources = _resources(kubectl, "")
        status_text = _dashboard(kubectl, resources)
        found = {r.namespace for r in resources}
    except BluewhaleError as error:
        status_text = f"the dashboard could not be made: {error}\n"
        note(status_text.strip())
    namespaces = {namespace or _current(kubectl)}
    if everywhere:
        pods = kubectl.objects("pods", selector=PART, everywhere=True)
        namespaces = found | {pod["metadata"]["namespace"] for pod in pods}
    bundle = Bundle(kubectl, note)
    bundle.gather(sorted(namespaces), status_text, at)
    try:
        bundle.write(path, at)
    except OSError as error:
        raise InputError(
            f"{path} cannot be written ({error.strerror}); choose another: --to"
        ) from error
    for line in bundle.missing:
        note(f"not in it: {line}")
    print(path)


@app.command()
def version() -> None:
    """Print the release of this plugin."""
    print(own_version())


def main() -> None:
    """Run the command; a closed pipe (`| head`) is a normal end."""
    try:
        app(prog_name="kubectl bluewhale")
    except BrokenPipeError:
        sys.stderr.close()
        raise SystemExit(0) from None
    except Exception:  # noqa: BLE001 - ours: told with its traceback, once, under a code of its own
        traceback.print_exc()
        raise SystemExit(5) from None


def _looked(kubectl: Kubectl, name: str) -> tuple[str, bool]:
    """Give the dashboard, and whether all is well."""
    resources = _resources(kubectl, name)
    shown = _dashboard(kubectl, resources)
    if name:
        shown += "\n\n" + detail(resources[0], now=datetime.now(UTC))
    return shown, not any(r.not_well for r in resources)


def _resources(kubectl: Kubectl, name: str) -> list[Resource]:
    if name:
        return [Orders(kubectl, note).find(name)]
    found = map(read_resource, kubectl.objects(REMOTE_UNITS))
    return sorted(found, key=lambda r: r.key)


def _dashboard(kubectl: Kubectl, resources: list[Resource]) -> str:
    width = shutil.get_terminal_size((120, 40)).columns
    return overview(resources, _operators(kubectl), now=datetime.now(UTC), width=width)


def _operators(kubectl: Kubectl) -> list[OperatorSeen] | None:
    """Give the Leases of operators; None where the person may not look."""
    try:
        found = []
        for deployment in kubectl.objects("deployments.apps", selector=OPERATOR, everywhere=True):
            meta = deployment["metadata"]
            lease = kubectl.one(
                "leases.coordination.k8s.io", meta["name"], namespace=meta["namespace"]
            )
            spec = (lease or {}).get("spec") or {}
            label = f"{meta['namespace']}/{meta['name']}"
            found.append(
                OperatorSeen(label, spec.get("holderIdentity") or "", spec.get("renewTime") or "")
            )
    except BluewhaleError:
        return None
    return found


def _centre(kubectl: Kubectl, centre: str, enrolment: str) -> Centre:
    if not centre:
        found = centre_of(kubectl)
        return Centre(found.uplink, enrolment or found.enrolment)
    host, _, port = centre.rpartition(":")
    if not host or not port.isdigit():
        raise InputError(f"--centre {centre}: say host:port, such as ingest.example.net:7440")
    return Centre(centre, enrolment or f"{host}:{int(port) + ENROLMENT_PORT_AFTER}")


def _current(kubectl: Kubectl) -> str:
    """Give the namespace of the context."""
    words = ["config", "view", "--minify", "-o", "jsonpath={..namespace}"]
    return kubectl.text(*words).strip() or "default"


if __name__ == "__main__":
    main()
