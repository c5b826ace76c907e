# One image per member: `docker build --build-arg MEMBER=ingest -t bluewhale/ingest:0.1.0 .`
# MEMBER: cli (one process, commands), remoteunit, ingest, parser, billing, storage, webapi, operator, or all of them in one
# image. See images/README.md.
ARG BASE=python:3.13-slim

# what others made: changes with requirements.lock alone, so an upgrade does not fetch it again
FROM ${BASE} AS pins
ARG MEMBER=cli
ENV PIP_DISABLE_PIP_VERSION_CHECK=1 PIP_NO_CACHE_DIR=1 PIP_ROOT_USER_ACTION=ignore
WORKDIR /src
COPY requirements.lock ./
COPY images/pins.py images/build.txt images/
COPY images/members images/members
# left out: names of places, file systems of clouds, tests and sources of libraries, a library's second and third copy
RUN python -m venv --without-pip /opt/bluewhale \
 && python -m pip install --require-hashes --only-binary :all: -r images/build.txt \
 && python images/pins.py "${MEMBER}" > /tmp/pins.txt \
 && python -m pip --python /opt/bluewhale/bin/python install --require-hashes --only-binary :all: -r /tmp/pins.txt \
 && cd /opt/bluewhale/lib/python*/site-packages \
 && rm -rf phonenumbers/geodata phonenumbers/carrierdata pyarrow/include pyarrow/src \
      pyarrow/*flight* pyarrow/*s3* pyarrow/*gcs* pyarrow/*azure* pyarrow/*orc* \
      pyarrow/*.pyx pyarrow/*.pxi pyarrow/*.pxd zstandard/_cffi* \
      numpy/_core/lib numpy/random/lib numpy/f2py sqlalchemy/testing \
 && if [ -d pyarrow ]; then cd pyarrow && for lib in libarrow_python*.so.*.*.*; do \
      ln -sf "$lib" "${lib%.*.*}" && ln -sf "$lib" "${lib%.so.*}.so"; done && cd ..; fi \
 && find . -type d -name tests -prune -exec rm -rf {} +

# what the first records would wait for, compiled for any processor of the architecture
FROM pins AS kernels
ARG MEMBER=cli
COPY protos protos
COPY shared shared
RUN python -m pip wheel --no-deps --no-build-isolation --wheel-dir /tmp/wheels \
      $(python images/pins.py --folders "${MEMBER}" | grep -e /protos -e /shared) \
 && python -m pip --python /opt/bluewhale/bin/python install --no-deps --no-index --target /opt/code /tmp/wheels/*.whl
COPY images/kernels.py images/
COPY examples/small-site sites/small
COPY charts/bluewhale/files/demo sites/demo
RUN mkdir /opt/kernels \
 && PYTHONPATH=/opt/code NUMBA_CPU_NAME=generic NUMBA_CACHE_DIR=/opt/kernels \
      /opt/bluewhale/bin/python images/kernels.py sites/small sites/demo

# the page, for the members that serve it; Node and all that it fetches stay here
FROM ${BASE} AS page
ARG MEMBER=cli
ENV PIP_DISABLE_PIP_VERSION_CHECK=1 PIP_NO_CACHE_DIR=1 PIP_ROOT_USER_ACTION=ignore NODE_USE_SYSTEM_CA=1
WORKDIR /src/services/webapi/ui
COPY images/node.txt /src/images/
COPY images/members /src/images/members
COPY services/webapi/ui/package.json services/webapi/ui/package-lock.json ./
RUN mkdir -p ../src/bluewhale/webapi/page \
 && if grep -qx "member services/webapi" "/src/images/members/${MEMBER}.txt"; then \
      python -m pip install --require-hashes --only-binary :all: -r /src/images/node.txt \
      && npm ci --ignore-scripts --no-audit --no-fund; fi
COPY services/webapi/ui ./
RUN if [ -d node_modules ]; then npm run build; fi

# what is ours
FROM pins AS code
ARG MEMBER=cli
COPY . .
COPY --from=page /src/services/webapi/src/bluewhale/webapi/page services/webapi/src/bluewhale/webapi/page
RUN python -m pip wheel --no-deps --no-build-isolation --wheel-dir /tmp/wheels \
      $(python images/pins.py --folders "${MEMBER}") \
 && python -m pip --python /opt/bluewhale/bin/python install --no-deps --no-index --target /opt/code /tmp/wheels/*.whl \
 && cp LICENSE /opt/code/LICENSE \
 && echo "${MEMBER}" > /opt/code/member \
 && install -D -m 0755 images/start.py /opt/code/bin/start

FROM ${BASE}
ARG MEMBER=cli
ARG VERSION=0.1.0
ARG REVISION=unknown
LABEL org.opencontainers.image.title="bluewhale-${MEMBER}" \
      org.opencontainers.image.description="Bluewhale call accounting: ${MEMBER}" \
      org.opencontainers.image.version="${VERSION}" \
      org.opencontainers.image.revision="${REVISION}" \
      org.opencontainers.image.licenses="Apache-2.0" \
      org.opencontainers.image.vendor="Bluewhale maintainers"
# Python images come without compiled modules of the standard library, and processes here write none:
# each would compile what it imports (twenty common modules: 1.0 s of a processor instead of 0.15)
RUN python -m compileall -q -x '/(site-packages|ensurepip|idlelib|pydoc_data|test|tkinter|turtledemo|unittest|venv)/' \
      "$(python -c 'import sysconfig; print(sysconfig.get_path("stdlib"))')"
# a name in /etc/passwd: some libraries ask who they are
RUN groupadd --gid 10001 bluewhale \
 && useradd --uid 10001 --gid 10001 --no-create-home --home-dir /var/lib/bluewhale --shell /usr/sbin/nologin bluewhale \
 && install -d -o 10001 -g 10001 /var/lib/bluewhale /etc/bluewhale
COPY --from=pins /opt/bluewhale /opt/bluewhale
COPY --from=kernels /opt/kernels /opt/kernels
COPY --from=code /opt/code /opt/code
ENV PATH="/opt/code/bin:/opt/bluewhale/bin:${PATH}" PYTHONPATH=/opt/code \
    LANG=C.UTF-8 PYTHONUNBUFFERED=1 PYTHONDONTWRITEBYTECODE=1 \
    NUMBA_CPU_NAME=generic NUMBA_CACHE_DIR=/tmp/kernels
USER 10001:10001
WORKDIR /var/lib/bluewhale
STOPSIGNAL SIGTERM
ENTRYPOINT ["/opt/code/bin/start"]
