"""A document is tried link by link: what works is read, what does not is told and tried again."""

import socket

import pytest
from bluewhale.cli.simulate.setup import free_port

from tests.support.centre import Centre
from tests.support.unit_process import UnitProcess, document, link, send_lines, wait_until


@pytest.fixture
def centre():
    """Give a centre that serves streams 7, 8 and 9."""
    made = Centre([7, 8, 9]).start()
    yield made
    made.close()


@pytest.fixture
def taken():
    """Give a listener of somebody else; its port is busy until it is closed."""
    with socket.socket() as listener:
        listener.bind(("127.0.0.1", free_port()))
        listener.listen()
        yield listener


def port_of(listener):
    """Give the port that somebody else has."""
    return listener.getsockname()[1]


def unit_of(tmp_path, centre):
    """Give a unit of that centre, not started."""
    return UnitProcess(tmp_path / "unit", "depot-1", f"127.0.0.1:{centre.port}", insecure=True)


def listening(port, uid="smdr", stream_id=7):
    """Give the entry of a TCP link."""
    return link(uid, stream_id, {"type": "tcp_server", "port": port})


def reported(centre, version, state, said=""):
    """Wait for a report of a version in a state whose message holds a text; "" = no message."""

    def found():
        for beat in centre.heartbeats:
            report = beat.configuration
            told = said in report.message if said else not report.message
            if (report.desired_version, report.state) == (version, state) and told:
                return report
        return None

    return wait_until(found, f"version {version} {state} ({said})")


def test_a_first_document_with_a_missing_folder_and_a_busy_port_lets_its_other_links_collect(
    tmp_path, centre, taken
):
    """Both are named with their reason, per link too; they are read once they can be."""
    port, folder = free_port(), tmp_path / "cdr"
    files = {"type": "folder", "path": str(folder), "pattern": "*.txt", "complete": "renamed"}
    centre.document = document(
        listening(port), listening(port_of(taken), "busy", 8), link("files", 9, files)
    )
    with unit_of(tmp_path, centre) as unit:
        send_lines(port, [b"one"])
        wait_until(lambda: centre.data(7) == [b"one"], "the record of the good link")
        report = reported(centre, 1, "effective", f"files: cannot read {folder}")
        assert f"busy: cannot listen on 127.0.0.1:{port_of(taken)}" in report.message
        assert report.effective_hash == centre.document[1]
        wait_until(
            lambda: (
                {x.link_uid for x in centre.heartbeats[-1].links if x.last_error}
                == {"busy", "files"}
            ),
            "the failed links in the heartbeat",
        )
        wait_until(lambda: "busy: cannot listen" in unit.ask("readyz")[1], "the reason in readyz")
        folder.mkdir()
        (folder / "a.txt").write_bytes(b"of the folder\r\n")
        wait_until(lambda: centre.data(9) == [b"of the folder"], "the record of the folder")
        busy = port_of(taken)
        taken.close()
        send_lines(busy, [b"two"])
        wait_until(lambda: centre.data(8) == [b"two"], "the record of the port that was busy")
        reported(centre, 1, "effective")
        wait_until(unit.is_ready, "readiness")


def test_a_link_whose_change_cannot_run_goes_on_as_before_and_the_other_changes_are_taken(
    tmp_path, centre, taken
):
    """Its PBX is not even disconnected; when the port is free it moves there by itself."""
    port, more = free_port(), free_port()
    centre.document = document(listening(port))
    with unit_of(tmp_path, centre):
        reported(centre, 1, "effective")
        with socket.create_connection(("127.0.0.1", port)) as pbx:
            pbx.sendall(b"one\r\n")
            busy = port_of(taken)
            centre.send(document(listening(busy), listening(more, "more", 8), version=2))
            report = reported(centre, 2, "effective", f"smdr: cannot listen on 127.0.0.1:{busy}")
            assert report.effective_version == 2
            send_lines(more, [b"of the other"])
            pbx.sendall(b"two\r\n")
            wait_until(lambda: centre.data(7) == [b"one", b"two"], "the records of the old setting")
            wait_until(lambda: centre.data(8) == [b"of the other"], "the record of the new link")
        taken.close()
        send_lines(busy, [b"three"])
        wait_until(lambda: centre.data(7) == [b"one", b"two", b"three"], "the record at last")
        reported(centre, 2, "effective")
        with pytest.raises(ConnectionRefusedError):
            socket.create_connection(("127.0.0.1", port), timeout=60)


def test_the_setting_of_before_goes_on_over_a_restart_without_the_centre(tmp_path, centre, taken):
    """What is on disk is what is read, not what could not be."""
    port, more = free_port(), free_port()
    centre.document = document(listening(port))
    with unit_of(tmp_path, centre) as unit:
        reported(centre, 1, "effective")
        busy = port_of(taken)
        centre.send(document(listening(busy), listening(more, "more", 8), version=2))
        reported(centre, 2, "effective", "smdr: cannot listen")
        unit.kill()
        centre.stop()
        unit.start()
        send_lines(port, [b"one"])
        send_lines(more, [b"two"])
        taken.close()
        send_lines(busy, [b"three"])
        centre.start()
        wait_until(lambda: centre.data(7) == [b"one", b"three"], "the records of both settings")
        wait_until(lambda: centre.data(8) == [b"two"], "the record of the new link")


def test_a_document_of_which_nothing_works_is_rolled_back_and_taken_when_it_works(
    tmp_path, centre, taken
):
    """Also the link that it takes away goes on meanwhile; then it leaves."""
    port, busy = free_port(), port_of(taken)
    centre.document = first = document(listening(port, "old", 8))
    with unit_of(tmp_path, centre):
        reported(centre, 1, "effective")
        centre.send(document(listening(busy), version=2))
        report = reported(centre, 2, "rolled_back", "smdr: cannot listen")
        assert (report.effective_version, report.effective_hash) == (1, first[1])
        send_lines(port, [b"one"])
        wait_until(lambda: centre.data(8) == [b"one"], "the record of the old link")
        taken.close()
        reported(centre, 2, "effective")
        send_lines(busy, [b"two"])
        wait_until(lambda: centre.data(7) == [b"two"], "the record of the new link")


def test_a_link_that_wants_the_port_of_one_that_cannot_leave_it_waits_with_it(
    tmp_path, centre, taken
):
    """One would move to a busy port and the other to its port: both go on where they are."""
    port, more, busy = free_port(), free_port(), port_of(taken)
    centre.document = document(listening(port), listening(more, "more", 8))
    with unit_of(tmp_path, centre):
        reported(centre, 1, "effective")
        centre.send(document(listening(busy), listening(port, "more", 8), version=2))
        report = reported(centre, 2, "rolled_back", f"more: cannot listen on 127.0.0.1:{port}")
        assert f"smdr: cannot listen on 127.0.0.1:{busy}" in report.message
        send_lines(port, [b"one"])
        send_lines(more, [b"two"])
        wait_until(lambda: centre.data(7) == [b"one"], "the record of smdr")
        wait_until(lambda: centre.data(8) == [b"two"], "the record of more")
        taken.close()
        reported(centre, 2, "effective")
        send_lines(port, [b"three"])
        send_lines(busy, [b"four"])
        wait_until(lambda: centre.data(7) == [b"one", b"four"], "smdr where it wanted to be")
        wait_until(lambda: centre.data(8) == [b"two", b"three"], "more where smdr was")


def test_two_links_change_places_at_once(tmp_path, centre):
    """Each takes the port that the other one leaves."""
    one, two = free_port(), free_port()
    centre.document = document(listening(one), listening(two, "more", 8))
    with unit_of(tmp_path, centre):
        reported(centre, 1, "effective")
        centre.send(document(listening(two), listening(one, "more", 8), version=2))
        reported(centre, 2, "effective")
        send_lines(two, [b"smdr"])
        send_lines(one, [b"more"])
        wait_until(lambda: (centre.data(7), centre.data(8)) == ([b"smdr"], [b"more"]), "both")
