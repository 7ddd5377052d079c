#!/bin/sh
# Write requirements/*.txt: one hash-pinned file a service, one for development. No index address in any of them.
set -eu
cd "$(dirname "$0")/../.."
uv=${UV:-.tools/bin/uv}
compile() {
  "$uv" pip compile -q --universal --generate-hashes --no-emit-index-url --no-emit-find-links --no-annotate --no-header \
    --no-emit-package orderbridge --no-emit-package orderbridge-standins --no-emit-package orderbridge-ingestor \
    --no-emit-package orderbridge-matcher --no-emit-package orderbridge-creator --no-emit-package orderbridge-api "$@"
}
for service in ingestor matcher creator api; do
  compile "services/$service/pyproject.toml" -o "requirements/$service.txt"
done
compile libs/*/pyproject.toml services/*/pyproject.toml --all-extras --group pyproject.toml:dev -o requirements/dev.txt
