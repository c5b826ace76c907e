"""The command for when nobody can sign in any more, and for whoever must trust the trail."""

from __future__ import annotations

import shutil
from pathlib import Path

from bluewhale.configuration import WebSettings
from bluewhale.database import Store
from bluewhale.webapi.passwords import Passwords
from bluewhale.webapi.sign_in import SignIn

from tests.integration.cli.door import bluewhale
from tests.integration.webapi.places import EXAMPLE


def test_a_forgotten_password_is_replaced_at_the_command(tmp_path: Path):
    """The old one is wrong, the lock is gone, the audit says who did it."""
    folder = tmp_path / "site"
    shutil.copytree(EXAMPLE, folder)
    with Store.open(folder / "data" / "store") as store:
        sign_in = SignIn(store.users, Passwords(memory_kib=64, passes=1), WebSettings())
        sign_in.welcome(sign_in.first_link(), "ana", "the forgotten password", "")
        store.users.failed(store.users.named("ana").user_id, lambda _: 2**53, now_ms=0)
    fresh = b"a fresh long secret\n"
    answer = bluewhale("people", "password", "ana", "--config", folder, stdin=fresh * 2)
    assert answer.code == 0, answer.err
    weak = bluewhale("people", "password", "ana", "--config", folder, stdin=b"short\n" * 2)
    assert (weak.code, "at least 12 letters" in weak.err) == (2, True)
    assert bluewhale("people", "password", "bob", "--config", folder).code == 3
    (row,) = bluewhale("people", "list", "--json", "--config", folder).rows()
    assert (row["name"], row["role"], row["sites"]) == ("ana", "owner", "all")
    with Store.open(folder / "data" / "store") as store:
        sign_in = SignIn(store.users, Passwords(), WebSettings())
        assert sign_in.sign_in("ana", "a fresh long secret", "").user.name == "ana"
        assert store.audit()[1][2] == "user password"


def test_a_lost_device_is_forgotten_and_the_trail_verified_at_the_command(tmp_path: Path):
    """Then the password alone signs in; a trail that was changed is an error that names the place."""
    folder = tmp_path / "site"
    shutil.copytree(EXAMPLE, folder)
    with Store.open(folder / "data" / "store") as store:
        sign_in = SignIn(store.users, Passwords(memory_kib=64, passes=1), WebSettings())
        user = sign_in.welcome(sign_in.first_link(), "ana", "the lost device", "").user
        store.users.factors.start(user.user_id, b"secret")
        store.users.factors.confirm(user.user_id, b"secret", 1, [], now_ms=1, who="ana")
    gone = bluewhale("people", "factor-off", "ana", "--config", folder)
    assert (gone.code, gone.out) == (0, "ana has no second factor any more\n")
    assert bluewhale("people", "factor-off", "ana", "--config", folder).code == 3
    whole = bluewhale("people", "audit", "--config", folder)
    # made, signed in, factor on, factor off
    assert (whole.code, whole.out.startswith("4 entries unbroken;")) == (0, True)
    with Store.open(folder / "data" / "store") as store, store.db.write() as tx:
        tx.run("UPDATE audit SET who = 'ben' WHERE position = 3")
    broken = bluewhale("people", "audit", "--config", folder)
    assert (broken.code, "entry 3 of 4" in broken.err) == (1, True)
