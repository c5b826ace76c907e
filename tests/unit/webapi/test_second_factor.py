"""Codes of devices and recovery codes, over a real store with a clock that is set."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from urllib.parse import parse_qs, urlsplit

import pytest
from bluewhale.capture.exceptions import InputError
from bluewhale.configuration import WebSettings
from bluewhale.database import Store
from bluewhale.webapi.exceptions import RefusedError
from bluewhale.webapi.factor_keys import FactorKeyMissingError, FactorKeys
from bluewhale.webapi.passwords import Passwords
from bluewhale.webapi.second_factor import STEP_MS, SecondFactor, code_at, step_of, text_of
from bluewhale.webapi.sign_in import Challenged, SignedIn, SignIn

from tests.unit.webapi.test_sign_in import MINUTE, PASSWORD, Clock

ADDRESS = "192.0.2.1"
# RFC 6238 appendix B, SHA-1; the last six of its eight digits
RFC_SECRET = b"12345678901234567890"


@pytest.fixture
def clock() -> Clock:
    """Give the clock."""
    return Clock()


@pytest.fixture
def store(tmp_path: Path) -> Iterator[Store]:
    """Give an empty store."""
    with Store.open(tmp_path) as made:
        yield made


class Ana:
    """The owner ana, signed in, with a device whose secret is known."""

    def __init__(self, store: Store, clock: Clock) -> None:
        self.clock = clock
        self.sign_in = SignIn(store.users, Passwords(memory_kib=64, passes=1), WebSettings(), clock)
        self.keys = FactorKeys([b"k" * 32])
        self.factor = SecondFactor(self.sign_in, self.keys)
        self.signed = self.sign_in.welcome(self.sign_in.first_link(), "ana", PASSWORD, "")
        self.user_id = self.signed.user.user_id
        self.factor.start(self.signed, PASSWORD)
        stored = store.users.factors.of(self.user_id).offered
        self.secret = self.keys.opened(self.user_id, stored)[0]
        self.recovery = self.factor.confirm(self.signed, self.code())

    def code(self, steps: int = 0) -> str:
        """Give what the device shows, so many steps from now."""
        return code_at(self.secret, self.clock.ms // STEP_MS + steps)

    def half(self) -> str:
        """Do the first half of a sign-in; gives the challenge."""
        found = self.sign_in.sign_in("ana", PASSWORD, ADDRESS)
        assert isinstance(found, Challenged)
        return found.token

    def refused(self, challenge: str, code: str) -> str:
        """Give the code of the refusal."""
        with pytest.raises(RefusedError) as refusal:
            self.factor.finish(challenge, code, ADDRESS)
        return refusal.value.code


@pytest.fixture
def ana(store: Store, clock: Clock) -> Ana:
    """Give her, half a minute after she confirmed her device."""
    made = Ana(store, clock)
    clock.ms += STEP_MS
    return made


@pytest.mark.parametrize(
    ("seconds", "code"),
    [
        (59, "287082"),
        (1_111_111_109, "081804"),
        (1_111_111_111, "050471"),
        (1_234_567_890, "005924"),
        (2_000_000_000, "279037"),
        (20_000_000_000, "353130"),
    ],
)
def test_codes_are_those_of_rfc_6238(seconds: int, code: str):
    """The vectors of its appendix."""
    assert code_at(RFC_SECRET, seconds // 30) == code
    assert step_of(RFC_SECRET, code, seconds * 1_000) == seconds // 30


def test_a_device_may_be_half_a_minute_off_and_not_more():
    """One step either way; this one lasts from ...080 to ...109 s."""
    code, seconds = "081804", (1_111_111_049, 1_111_111_050, 1_111_111_139, 1_111_111_140)
    near = [step_of(RFC_SECRET, code, s * 1_000) for s in seconds]
    assert near == [None, 37_037_036, 37_037_036, None]
    assert step_of(RFC_SECRET, "\uff12\uff18\uff17\uff10\uff18\uff12", 59_000) is None


def test_what_a_device_is_set_up_with_names_person_and_installation(store: Store, clock: Clock):
    """The text of the secret is the one in the address."""
    sign_in = SignIn(store.users, Passwords(memory_kib=64, passes=1), WebSettings(), clock)
    signed = sign_in.welcome(sign_in.first_link(), "ana@example.com", PASSWORD, "")
    text, uri = SecondFactor(sign_in, FactorKeys()).start(signed, PASSWORD)
    parts = urlsplit(uri)
    assert (parts.scheme, parts.netloc, parts.path) == (
        "otpauth", "totp", "/Bluewhale:ana%40example.com",
    )  # fmt: skip
    assert parse_qs(parts.query) == {"secret": [text], "issuer": ["Bluewhale"]}
    assert text == text_of(store.users.factors.of(signed.user.user_id).offered)
    assert len(text) == 32


def test_password_and_code_together_sign_in(ana: Ana):
    """The password alone opens nothing."""
    challenge = ana.half()
    assert ana.sign_in.of_token(challenge) is None
    signed = ana.factor.finish(challenge, f" {ana.code()[:3]} {ana.code()[3:]} ", ADDRESS)
    assert signed.user.name == "ana"
    assert ana.refused(challenge, ana.code(1)) == "not_signed_in"


def test_a_code_holds_once(ana: Ana):
    """Whoever looked over a shoulder comes too late, also with the code of the step before."""
    ana.factor.finish(ana.half(), ana.code(), ADDRESS)
    assert ana.refused(ana.half(), ana.code()) == "code_refused"
    assert ana.refused(ana.half(), ana.code(-1)) == "code_refused"
    ana.clock.ms += STEP_MS
    assert ana.factor.finish(ana.half(), ana.code(), ADDRESS).user.name == "ana"


def test_the_code_that_confirmed_a_device_does_not_sign_in(ana: Ana):
    """It was used."""
    assert ana.refused(ana.half(), ana.code(-1)) == "code_refused"


def test_wrong_passwords_and_wrong_codes_lock_together(ana: Ana):
    """Two and three are five; then neither the password nor a right code helps for a minute."""
    for _ in range(2):
        with pytest.raises(RefusedError):
            ana.sign_in.sign_in("ana", "wrong password", ADDRESS)
    challenge = ana.half()
    said = [ana.refused(challenge, "000000") for _ in range(3)]
    assert said == ["code_refused", "code_refused", "locked_out"]
    assert ana.refused(challenge, ana.code()) == "locked_out"
    with pytest.raises(RefusedError, match="too many"):
        ana.sign_in.sign_in("ana", PASSWORD, ADDRESS)
    ana.clock.ms += MINUTE
    assert isinstance(ana.factor.finish(challenge, ana.code(), ADDRESS), SignedIn)
    assert ana.sign_in.users.get(ana.user_id).failures == 0


def test_the_right_password_alone_forgets_no_failure(ana: Ana):
    """Or codes could be guessed four at a time."""
    challenge = ana.half()
    for _ in range(4):
        ana.refused(challenge, "000000")
    assert ana.refused(ana.half(), "000000") == "locked_out"


def test_half_a_sign_in_ends_after_five_minutes(ana: Ana):
    """Then name and password are asked again."""
    challenge = ana.half()
    ana.clock.ms += 5 * MINUTE
    assert ana.refused(challenge, ana.code()) == "not_signed_in"


def test_a_recovery_code_holds_once(ana: Ana):
    """Ten of them, stored as hashes; typed in any way."""
    assert len(set(ana.recovery)) == 10
    typed = ana.recovery[3].lower().replace("-", " ")
    assert ana.factor.finish(ana.half(), typed, ADDRESS).user.name == "ana"
    assert ana.refused(ana.half(), ana.recovery[3]) == "code_refused"
    assert ana.sign_in.users.factors.of(ana.user_id).recovery_left == 9
    said = [(who, action, detail) for _, who, action, _, detail in ana.sign_in.users.trail(10)]
    assert ("ana", "recovery code used", "9 left") in said


def test_no_recovery_code_is_in_the_store(ana: Ana, tmp_path: Path):
    """Neither as shown nor as typed."""
    held = b"".join(p.read_bytes() for p in tmp_path.glob("main.db*"))
    assert [c for c in ana.recovery if c.encode() in held] == []
    assert [c for c in ana.recovery if c.replace("-", "").encode() in held] == []


def test_a_new_device_takes_over_only_when_it_is_confirmed(ana: Ana):
    """Until then the old one holds; afterwards neither it nor its recovery codes do."""
    ana.factor.start(ana.signed, PASSWORD)
    old, old_recovery = ana.secret, ana.recovery[0]
    assert ana.factor.finish(ana.half(), ana.code(), ADDRESS).user.name == "ana"
    with pytest.raises(RefusedError, match="code"):
        ana.factor.confirm(ana.signed, "000000")
    offered = ana.sign_in.users.factors.of(ana.user_id).offered
    ana.secret = ana.keys.opened(ana.user_id, offered)[0]
    ana.factor.confirm(ana.signed, ana.code())
    ana.clock.ms += STEP_MS
    assert ana.refused(ana.half(), code_at(old, ana.clock.ms // STEP_MS)) == "code_refused"
    assert ana.refused(ana.half(), old_recovery) == "code_refused"
    assert ana.factor.finish(ana.half(), ana.code(), ADDRESS).user.name == "ana"


def test_setting_up_and_taking_away_need_the_password(ana: Ana):
    """A session that was left open is not enough; taking away needs a code too."""
    with pytest.raises(RefusedError) as refused:
        ana.factor.start(ana.signed, "wrong password")
    assert refused.value.code == "sign_in_refused"
    for password, code in (("wrong password", ana.code()), (PASSWORD, "000000")):
        with pytest.raises(RefusedError):
            ana.factor.off(ana.signed, password, code)
    ana.factor.off(ana.signed, PASSWORD, ana.code())
    assert isinstance(ana.sign_in.sign_in("ana", PASSWORD, ADDRESS), SignedIn)


def test_whoever_was_switched_off_meanwhile_does_not_get_in(ana: Ana, store: Store):
    """Between password and code."""
    challenge = ana.half()
    with store.db.write_beside() as tx:
        tx.run("UPDATE web_user SET state = 'disabled'")
    assert ana.refused(challenge, ana.code()) == "sign_in_refused"


def test_a_stolen_session_guesses_no_password(ana: Ana):
    """The old password of a change counts as one of sign-in does."""
    for _ in range(5):
        with pytest.raises(RefusedError):
            ana.sign_in.change_password(ana.signed, "wrong password", "a fresh long secret")
    with pytest.raises(RefusedError) as refused:
        ana.sign_in.change_password(ana.signed, PASSWORD, "a fresh long secret")
    assert refused.value.code == "locked_out"


def test_a_secret_is_stored_encrypted_and_bound_to_its_owner(store: Store, clock: Clock):
    """Neither its bytes nor its text are in the row; in another row it does not open."""
    ana = Ana(store, clock)
    stored = store.users.factors.of(ana.user_id).secret
    assert ana.secret not in stored
    assert (len(ana.secret), len(stored)) == (20, 53)
    with pytest.raises(FactorKeyMissingError, match="no key opens"):
        ana.keys.opened("u_other", stored)


def test_a_secret_of_before_is_encrypted_when_its_owner_signs_in(store: Store, clock: Clock):
    """As an older release stored it; and again by the newest key, once there is another."""
    ana = Ana(store, clock)
    factors = store.users.factors
    assert factors.reseal(ana.user_id, factors.of(ana.user_id).secret, ana.secret)
    clock.ms += MINUTE
    ana.factor.finish(ana.half(), ana.code(), ADDRESS)
    once = factors.of(ana.user_id).secret
    assert ana.keys.opened(ana.user_id, once) == (ana.secret, True)
    both = FactorKeys([b"n" * 32, b"k" * 32])
    clock.ms += MINUTE
    SecondFactor(ana.sign_in, both).finish(ana.half(), ana.code(), ADDRESS)
    assert both.opened(ana.user_id, factors.of(ana.user_id).secret) == (ana.secret, True)
    assert both.opened(ana.user_id, once) == (ana.secret, False)
    clock.ms += MINUTE
    with pytest.raises(RefusedError, match=r"web\.factor_keys_file"):
        ana.factor.finish(ana.half(), ana.code(), ADDRESS)
    assert ana.factor.finish(ana.half(), ana.recovery[0], ADDRESS).user.user_id == ana.user_id


def test_one_process_makes_its_own_key_once_for_its_owner_alone(tmp_path: Path):
    """Read back it opens what it sealed; a line that is no key is refused, unquoted."""
    path = tmp_path / "data" / "second-factor.keys"
    sealed = FactorKeys.made(path).seal("u", b"secret")
    assert FactorKeys.made(path).opened("u", sealed) == (b"secret", True)
    assert path.stat().st_mode & 0o777 == 0o600
    assert [p.name for p in path.parent.iterdir()] == ["second-factor.keys"]
    path.write_text("c2hvcnQ=\n")
    with pytest.raises(InputError, match="32 random bytes as base64") as refused:
        FactorKeys.read(path)
    assert "c2hvcnQ" not in str(refused.value)
