#!/usr/bin/env bash
# Packs the package, installs the tarball in an empty folder without our .npmrc, and protects a model there.
set -euo pipefail
root=$(cd "$(dirname "$0")/.." && pwd)
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
tarball=$(cd "$root" && npm pack --silent --pack-destination "$folder" | tail -n 1)
cd "$folder"
npm init -y >/dev/null
npm install --no-audit --no-fund --loglevel=error "./$tarball"
export MODELWARD_HOME="$folder/home"
samples=node_modules/modelward/samples
npx --no-install modelward protect "$samples/mlp.onnx" --eval "$samples/eval.npz" --out out --json > result.json
node -e '
  const result = JSON.parse(require("node:fs").readFileSync("result.json", "utf8"));
  for (const name of ["marked", "sealed", "baseline", "commitment", "claim", "report"]) {
    if (!/^[0-9a-f]{64}$/.test(result[name].sha256)) throw new Error(`protect printed no ${name}`);
  }
  console.log(`packaged protect ran on ${result.fidelity.runtime}`);
'
npx --no-install modelward detect out/mlp.marked.onnx --json > detect.json
node -e '
  const result = JSON.parse(require("node:fs").readFileSync("detect.json", "utf8"));
  if (result.verdict !== "claim") throw new Error(`verdict ${result.verdict}`);
'
node --input-type=module -e '
  const { createGateway, createPermits } = await import("modelward/gateway");
  if (typeof createGateway !== "function" || createPermits().count !== 0) throw new Error("modelward/gateway is no door");
'
status=0
npx --no-install modelward worker --root . --queue postgres://user@127.0.0.1/none --json > worker.json 2>/dev/null || status=$?
[ "$status" = 6 ] && grep -q QUEUE_PACKAGE_MISSING worker.json || { echo 'the queue package came along, or is not asked for'; exit 1; }
