#!/usr/bin/env bash
# Builds witness-oracle: a witness of another make, and a client of one. Its modules lie in a folder that is removed again.
set -euo pipefail
cd "$(dirname "$0")"
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
cp main.go go.mod go.sum "$work"
(cd "$work" && go mod vendor)
cp subtree.go.txt "$work/vendor/github.com/transparency-dev/merkle/proof/subtree.go"
(cd "$work" && go build -mod=vendor -trimpath -o witness-oracle .)
mv "$work/witness-oracle" .
