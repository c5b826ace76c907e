# One image per member: `docker build --build-arg MEMBER=ingest -t bluewhale/ingest:0.1.0 .`
# MEMBER: cli (one process, commands), remoteunit, ingest, parser, billing, storage, operator, or all of them in one
# image. See images/README.md.
ARG BASE=python:3.13-slim

FROM ${BASE} AS build
ARG MEMBER=cli
ENV PIP_DISABLE_PIP_VERSION_CHECK=1 PIP_NO_CACHE_DIR=1 PIP_ROOT_USER_ACTION=ignore
WORKDIR /src
# the pins change seldom: a layer of their own, the same for every release that has them
COPY requirements.lock ./
COPY images/pins.py images/build.txt images/
COPY images/members images/members
RUN python -m venv --without-pip /opt/bluewhale \
 && python -m pip install --require-hashes --only-binary :all: -r images/build.txt \
 && python images/pins.py "${MEMBER}" > /tmp/pins.txt \
 && python -m pip --python /opt/bluewhale/bin/python install --require-hashes --only-binary :all: -r /tmp/pins.txt
COPY . .
RUN python -m pip wheel --no-deps --no-build-isolation --wheel-dir /tmp/wheels \
      $(python images/pins.py --folders "${MEMBER}") \
 && python -m pip --python /opt/bluewhale/bin/python install --no-deps --no-index /tmp/wheels/*.whl \
 && cp LICENSE /opt/bluewhale/LICENSE \
# what nothing here uses: names of places, file systems of clouds, tests of libraries
 && cd /opt/bluewhale/lib/python*/site-packages \
 && rm -rf phonenumbers/geodata phonenumbers/carrierdata pyarrow/include pyarrow/src \
      pyarrow/*flight* pyarrow/*s3* pyarrow/*gcs* pyarrow/*azure* pyarrow/*orc* \
 && find . -type d -name tests -prune -exec rm -rf {} + \
 && cd /src \
 && echo "${MEMBER}" > /opt/bluewhale/member \
 && install -m 0755 images/start.py /opt/bluewhale/bin/start
# for any processor of the architecture: the numbers are in docs/adr/0013-kernels-in-images.md
ENV NUMBA_CPU_NAME=generic
RUN NUMBA_CACHE_DIR=/opt/bluewhale/kernels /opt/bluewhale/bin/python images/kernels.py \
      examples/small-site charts/bluewhale/files/demo

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
# a name in /etc/passwd: some libraries ask who they are
RUN groupadd --gid 10001 bluewhale \
 && useradd --uid 10001 --gid 10001 --no-create-home --home-dir /var/lib/bluewhale --shell /usr/sbin/nologin bluewhale \
 && install -d -o 10001 -g 10001 /var/lib/bluewhale /etc/bluewhale
COPY --from=build /opt/bluewhale /opt/bluewhale
ENV PATH="/opt/bluewhale/bin:${PATH}" \
    LANG=C.UTF-8 PYTHONUNBUFFERED=1 PYTHONDONTWRITEBYTECODE=1 \
    NUMBA_CPU_NAME=generic NUMBA_CACHE_DIR=/tmp/kernels
USER 10001:10001
WORKDIR /var/lib/bluewhale
STOPSIGNAL SIGTERM
ENTRYPOINT ["/opt/bluewhale/bin/start"]
