"""docs/reference/plugins.md, made from the models that plugins and layers are checked with."""

from __future__ import annotations

import re
import sys
from typing import Any

from bluewhale.nexus.governance.access import Rule
from bluewhale.nexus.governance.compiling import BUILT_IN
from bluewhale.nexus.manifest import Manifest
from bluewhale.nexus.role import ProcessSettings
from pydantic import BaseModel

_HEAD = """# Plugins and layers

Made from `bluewhale.nexus`; do not edit. Every process of Bluewhale, the embedded installation (`bluewhale up`) as well as each
role, is a set of plugins that the nexus starts in order and ends in reverse.

## A plugin

A plugin is a manifest and a function. Ours are listed where a process is made; those of others are installed beside it as any
Python package, name their manifests under the entry-point group `bluewhale.plugins`, and are started where the configuration
names them (`cluster.plugins`).

```toml
[project.entry-points."bluewhale.plugins"]
acme_link = "acme_audit.link:MANIFEST"
```

```python
MANIFEST = Manifest(
    symbolic_name="com.acme.link", version="2.1.0", vendor="ACME",
    requires={"journal": ">=1,<2"}, provides={"acme_link": "2.1"},
    activator="acme_audit.link:activate",
)

@contextlib.asynccontextmanager
async def activate(context):
    link = Link(context.service("journal"))
    async with context.worker("acme link", link.run):   # a blocking loop: run(stopping: threading.Event)
        yield {"acme_link": link}                       # exactly what `provides` promises
```

### Fields of a manifest

"""
_LIFE = """
### Order and life

What a plugin requires starts before it; among plugins that do not need each other the lower `run_level` starts first, then the
alphabet decides. Everything that does not fit (a service that nobody provides, or only outside the range, or that two provide; a
circle; a layer that nobody has; an activator that cannot be imported) is said in one message before anything starts.

`installed -> resolved -> starting -> active -> stopping -> stopped`, or `failed`. A plugin that fails to start, or falls over
while running, ends the process: what runs is ended in reverse order, the exit code is not 0, and whoever started the process
starts it again. A lazy plugin starts when one of its services is looked up (`await context.lookup(name)`) or asked as a peer.
Python cannot unload modules: a stopped plugin comes back only with a new process.

### What a plugin gets

| `context.` | |
|---|---|
| `settings` | the configuration of the installation |
| `service(name)` | a service that the manifest requires, in its range |
| `await lookup(name)` | the same; starts a lazy plugin |
| `peer(name)` | the generated gRPC stub of a peer; the same here and far away |
| `worker(name, run)` | runs a blocking loop in a thread while the block lasts; its error ends the process |
| `condition(name, good=, message=)` | readiness (`/readyz`, Control), in words a person can act on |
| `watch(name, stuck)` | liveness (`/livez`): `stuck()` gives "" or what a loop hangs in |
| `metrics`, `log`, `health` | of this process |
| `fail(error)`, `drain()` | end the process, with an error or as SIGTERM does |

A plugin that answers other parts yields a servicer of generated code: `{"query": serve("query", Answers())}`. It is then a peer
within the process and, where the process has a port, for other roles. Servicers may be written for threads or for asyncio. An
operating error that a servicer raises becomes a status: what passes by itself UNAVAILABLE, `not_found` NOT_FOUND, `input_invalid`
INVALID_ARGUMENT, all else FAILED_PRECONDITION, with its text (its first 2,000 letters), and its stable code in the trailing metadata
`bw-error`.

### Three verbs

| verb | promise |
|---|---|
| call: a method of `context.peer(name)` | a reply or an error; at most once |
| `call_async(start, request, watch, follow, ended=)` | a job is started under a name and watched to its end, also past restarts of the peer |
| `deliver(producer, topic, partition, value)` | at least once after the log has it, in order per partition |

The same lines work within the process and over gRPC (`from bluewhale.nexus.verbs import ...`):

```python
job = call_async(jobs.Start, request, jobs.Watch, lambda job: WatchRequest(name=job.name, follow=True),
                 ended=lambda job: job.state in {"done", "failed", "cancelled", "paused"})
for change in job.news(): show(change)        # `bluewhale rerate` and `bluewhale job resume` do so
deliver(producer, RATED, partition, value).add_done_callback(...)   # billing does so; blocking: .result()
with carried(message.headers): ...            # whoever reads a message goes on with what it carries
```

Start a job whose outcome is not known again by the same name: it is the same job. A watch that breaks off is begun again for a minute,
then `PeerSilentError` says so; what the peer refuses is raised at once. A delivered message carries priority, trace and values of the
request that is served now, not its limit of time.

Time left, priority, trace and nested values travel in one header, `bw-ctx-bin` (at most 4,096 bytes):
`with asking(priority=5, timeout_s=2, values={"job": {"id": 7}}): stub.SearchCalls(...)`; `current()` is what came along. Every hop
passes them on.

Priority orders those who wait: 0 is usual, a greater one is answered sooner, a negative one has time. It matters on a port whose
threads are all busy; of equals the first one is first, and every eighth thread that comes free takes the request that waits longest,
so that nobody waits for ever. Commands of people ask with 10. Within the process a request runs on the thread of its caller and never waits.

### The process around plugins

"""
_LAYERS = """
## Layers

A list of layers surrounds every request between parts, the first of the list outermost. Adding or dropping one is one line:

```yaml
cluster:
  layers:
    - {layer: monitoring}
    - {layer: deadline, default_ms: 5000}
    - {layer: access, policy: [{callers: [role/storage, plugin/*], methods: [Query/*]}]}
    - {layer: encryption, authority: ca.pem, certificate: role.pem, key: role.key}
    - {layer: balancing}
    - {layer: discovery, dns: {query: "storage-headless:7442"}}
    - {layer: audit}                       # of a plugin
```

Without `cluster.layers` there are monitoring, deadline and access: other roles (by certificate), plugins of the same process,
operators and callers on the same machine may ask, a unit only for its uplink and its links, anybody else nothing.
Who asks is what the transport proves: `role/NAME`, `unit/UID`, `operator/NAME` from the certificate's name
`spiffe://bluewhale/...`, `plugin/NAME` in the same process, `local` or `anonymous` without a certificate.
"""
_OWN = """
### A layer of one's own

A plugin provides the service `layer.NAME`: a function from the settings of its line to a `bluewhale.nexus.governance.Layer`.
Plugins that provide a configured layer start before all others, so that no request goes without it.

```python
class Audit(Layer):
    name = "audit"

    def answer(self, method, proceed):          # where requests arrive; `ask` where they leave,
        def noting(request, context):           # `channel` and `port` change how these are made
            NOTED.append(f"{current().identity} asked {method.service}/{method.name}")
            return proceed(request, context)
        return noting

@contextlib.asynccontextmanager
async def activate(context):
    yield {"layer.audit": lambda settings: Audit()}
```

`ask` and `answer` are called once per method and give a plain function; what a layer does not override costs nothing.
"""


def page() -> str:
    """Give docs/reference/plugins.md."""
    parts = [_HEAD, table(Manifest), _LIFE, table(ProcessSettings), _LAYERS]
    for name, (settings, _) in BUILT_IN.items():
        what = (sys.modules[settings.__module__].__doc__ or "").split("\n", 1)[0]
        parts += [f"\n### {name}\n\n{what}\n\n", table(settings)]
        if name == "access":
            parts += ["\nA rule of the policy:\n\n", table(Rule)]
    return "".join([*parts, _OWN])


def table(model: type[BaseModel]) -> str:
    """Give the fields of a model as a table."""
    schema = model.model_json_schema()
    required = schema.get("required", [])
    rows = []
    for name, field in schema["properties"].items():
        default = "required" if name in required else f"`{_default(field['default'])}`"
        meaning = re.sub(r"\s+", " ", field.get("description", ""))
        rows.append(f"| `{name}` | {_kind(field)} | {default} | {meaning} |")
    return "| field | value | default | meaning |\n|---|---|---|---|\n" + "\n".join(rows) + "\n"


def _default(value: Any) -> str:
    if isinstance(value, list) and value and isinstance(value[0], dict):
        return ", ".join(str(x.get("layer", x)) for x in value)
    return "none" if value is None else repr(value)


_KINDS = {
    "string": "text",
    "integer": "whole number",
    "number": "number",
    "boolean": "yes or no",
    "object": "map",
    "array": "list",
}


def _kind(field: dict[str, Any]) -> str:
    if "enum" in field:
        return ", ".join(f"`{x}`" for x in field["enum"])
    if "anyOf" in field:
        return " or ".join("none" if x.get("type") == "null" else _kind(x) for x in field["anyOf"])
    kind = "path" if field.get("format") == "path" else _KINDS[field["type"]]
    least, most = field.get("minimum"), field.get("maximum")
    if least is not None:
        kind += f", {least} to {most}" if most is not None else f", {least} or more"
    return kind
