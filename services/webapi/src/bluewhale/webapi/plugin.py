"""The web API as a plugin: opens the people's tables, makes the application, serves it.

The same plugin in the role `webapi` and in `bluewhale up`: other services are
peers, wherever they are. Owns the composition and nothing else.
"""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import AsyncIterator
from typing import TYPE_CHECKING, Any

from bluewhale.capture.exceptions import TemporaryError
from bluewhale.nexus import Manifest

if TYPE_CHECKING:
    from bluewhale.configuration import Configuration
    from bluewhale.database.engine import Database
    from bluewhale.nexus import Context
    from bluewhale.statecache import StateCache
    from bluewhale.webapi.factor_keys import FactorKeys
    from bluewhale.webapi.sign_in import SignIn

MANIFEST = Manifest(
    symbolic_name="bluewhale.webapi",
    version="0.1.0",
    vendor="Bluewhale maintainers",
    provides={"web": "1.0"},
    run_level=8,  # behind what it asks, where that is in the same process
    activator="bluewhale.webapi.plugin:activate",
)
RETRY_S = 1.0
FACTOR_KEYS = "second-factor.keys"  # in the data folder of one process
CHAIN_KEPT_S = 30.0  # the audit trail is followed from its beginning at most so often


@contextlib.asynccontextmanager
async def activate(context: Context) -> AsyncIterator[dict[str, Any]]:
    """Serve the page and the API as long as the block lasts."""
    from bluewhale.configuration import Following, WebSettings
    from bluewhale.database.api_keys import ApiKeys
    from bluewhale.database.repeats import Repeats
    from bluewhale.database.users import Users
    from bluewhale.jobs.loops import followed
    from bluewhale.webapi.alert_asking import AlertQuestions
    from bluewhale.webapi.app import make_app
    from bluewhale.webapi.asking import Questions
    from bluewhale.webapi.cookies import Cookies
    from bluewhale.webapi.job_asking import JobQuestions
    from bluewhale.webapi.keys import Keys
    from bluewhale.webapi.limits import Limits
    from bluewhale.webapi.live import Live
    from bluewhale.webapi.names import Directories
    from bluewhale.webapi.oidc import Oidc
    from bluewhale.webapi.page import Page
    from bluewhale.webapi.passwords import Passwords
    from bluewhale.webapi.processes import Processes
    from bluewhale.webapi.recent import Recent
    from bluewhale.webapi.routes.needing import Parts
    from bluewhale.webapi.second_factor import SecondFactor
    from bluewhale.webapi.server import listening, serve, url_of
    from bluewhale.webapi.shared_answers import SharedAnswers
    from bluewhale.webapi.sign_in import KEPT_MS, SignIn
    from bluewhale.webapi.tariff_asking import TariffQuestions

    configuration: Configuration = context.settings
    settings = configuration.settings.web or WebSettings()
    following = Following(configuration)
    socket = listening(settings)
    url = url_of(settings, socket.getsockname()[1])
    database = await _opened(context, configuration)
    shared = _shared(configuration)
    try:
        limits = Limits(shared, per_minute=settings.requests_per_minute)
        sign_in = SignIn(
            Users(database),
            await asyncio.to_thread(Passwords),
            settings,
            limits=limits,
            # a session that one copy of the role ended must not be known to another
            kept_ms=0 if context.role == "webapi" else KEPT_MS,
        )
        questions = Questions(context.peer)
        alerts = AlertQuestions(context.peer)
        live = Live(questions.newest, alerts.stamp)
        parts = Parts(
            questions=questions,
            sign_in=sign_in,
            second_factor=SecondFactor(sign_in, await asyncio.to_thread(_factor_keys, context)),
            repeats=Repeats(database),
            chain=Recent(CHAIN_KEPT_S),
            keys=Keys(ApiKeys(database)),
            cookies=Cookies(secure=settings.secure, public_url=settings.public_url),
            directories=Directories(lambda: following.configuration),
            configuration=lambda: following.configuration,
            tariffs=TariffQuestions(context.peer),
            jobs=JobQuestions(context.peer),
            alerts=alerts,
            processes=Processes(
                context.peer,
                lambda: following.configuration,
                in_roles=context.role == "webapi",
            ),
            live=live,
            shared=SharedAnswers(live.news_s),
            peer=context.peer,
            features={"units": context.role == "webapi"},  # one process reads its PBXs itself
            four_eyes=settings.four_eyes,
            page=await asyncio.to_thread(Page),
            oidc=Oidc(settings.oidc, sign_in, public_url=url) if settings.oidc else None,
        )
        app = make_app(parts, settings)
        async with (
            followed(context, following),
            context.worker("web", lambda stopping: serve(app, settings, socket, stopping)),
        ):
            await _say_where(context, sign_in, url)
            yield {"web": url}
    finally:
        socket.close()
        shared.close()
        await asyncio.to_thread(database.close)


def _factor_keys(context: Context) -> FactorKeys:
    """Give the keys of second factors: those of the file, or of the folder of one process."""
    from bluewhale.configuration import WebSettings
    from bluewhale.webapi.factor_keys import FactorKeys

    configuration: Configuration = context.settings
    file = (configuration.settings.web or WebSettings()).factor_keys_file
    if file is not None:
        return FactorKeys.read(file)
    if context.role != "webapi":
        return FactorKeys.made(configuration.settings.data / FACTOR_KEYS)
    context.log.warning(
        "Secrets of second factors are stored unencrypted", remedy="give web.factor_keys_file"
    )
    return FactorKeys()


def _shared(configuration: Configuration) -> StateCache:
    """Give what copies of the role share and may lose; one process keeps it in memory."""
    from bluewhale.statecache import MemoryStateCache, RedisStateCache

    cluster = configuration.settings.cluster
    url = None if cluster is None else cluster.redis.url
    return MemoryStateCache() if url is None else RedisStateCache(url)


async def _say_where(context: Context, sign_in: SignIn, url: str) -> None:
    """Say where the page is; at the first start also the one link that makes an owner."""
    token = await asyncio.to_thread(sign_in.first_link)
    context.log.info("Page is served", host=url)
    if token is not None:
        # on the terminal and not through the log: collectors of logs keep what they get
        print(
            f"\nOpen {url}/welcome?token={token}\nto make the first owner; the link works once,"
            " within a day.\n",
            flush=True,
        )


async def _opened(context: Context, configuration: Configuration) -> Database:
    """Open the tables of people, however long that takes."""
    from bluewhale.database.opening import open_database
    from bluewhale.jobs.opening import main_address

    database = open_database(main_address(configuration.settings))
    while True:
        try:
            await asyncio.to_thread(database.migrate)
        except TemporaryError as error:
            context.condition("database", good=False, message=str(error))
            context.log.warning("Database is away, waiting", error=str(error))
            await asyncio.sleep(RETRY_S)
        else:
            context.condition("database", good=True)
            return database
