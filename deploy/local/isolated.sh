#!/bin/sh
# Import each service in an environment that holds its own lock and nothing else, as its image will: what the shared
# .venv hides (an undeclared dependency, a file left out of the wheel) shows here. Usage: isolated.sh SERVICE...
set -eu
cd "$(dirname "$0")/../.."
uv=${UV:-.tools/bin/uv}
room=$(mktemp -d)
trap 'rm -rf "$room"' EXIT
trap 'exit 130' INT TERM

# What setup downloaded is enough for all of it; only when the cache was emptied since does it take a network again.
install() {
  "$uv" pip install --quiet --offline --python "$room/$service/bin/python" "$@" 2>/dev/null ||
    "$uv" pip install --quiet --python "$room/$service/bin/python" "$@"
}

wheel() {
  "$uv" build --quiet --offline --wheel --no-build-isolation --python .venv/bin/python --out-dir "$room/wheels" "$1"
}

wheel libs/common
for service in "$@"; do
  wheel "services/$service"
  "$uv" venv --quiet --no-project --python .venv/bin/python "$room/$service"
  install --require-hashes -r "requirements/$service.txt"
  install --no-deps "$room"/wheels/orderbridge-[0-9]*.whl "$room/wheels/orderbridge_$service"-*.whl
  (cd "$room" && "$service/bin/python" -I -c "import orderbridge_$service.__main__, orderbridge_$service.app") ||
    { echo "isolated: orderbridge_$service cannot be imported with its own dependencies alone" >&2; exit 1; }
  echo "isolated: orderbridge_$service imports with its own dependencies alone"
done
