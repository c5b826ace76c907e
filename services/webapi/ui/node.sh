#!/bin/sh
# `sh node.sh npm ci`: run a command with the Node of this machine, or, where that is too old or not there, with the one that
# images/node.txt pins: a wheel, in build/node.
set -eu
root=$(cd "$(dirname "$0")/../../.." && pwd)
fits() {
  command -v npm >/dev/null && node -e 'const [a, b] = process.versions.node.split(".").map(Number)
    process.exit(a > 20 || (a === 20 && b >= 19) ? 0 : 1)' 2>/dev/null
}
if ! fits; then
  kept=$root/build/node
  if [ ! -e "$kept/ready" ]; then
    echo "no Node 20.19 or newer here: taking its wheel" >&2
    "${PYTHON:-python3}" -m venv "$kept"
    "$kept/bin/python" -m pip install --quiet --disable-pip-version-check --require-hashes --only-binary :all: \
      -r "$root/images/node.txt"
    touch "$kept/ready"
  fi
  PATH=$kept/bin:$PATH
  export PATH NODE_USE_SYSTEM_CA=1
fi
exec "$@"
