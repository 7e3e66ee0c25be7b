#!/bin/sh
# Renders, measures and signs the enclave, and writes the broker policy that lets this enclave, and no other, have the key.
# Usage: build.sh BROKER RESOURCE SEAL_ID NAME   (NAME: of the gateway; in a folder of its own, on a machine with Gramine 1.9)
# Needs: the package with its native runtime in $APP; broker-ca.pem and clients-ca.pem in $CONFIG; see docs/attestation.md.
set -eu
[ $# -eq 4 ] || { sed -n '2,4s/^# //p' "$0" >&2; exit 2; }
broker=$1 resource=$2 seal_id=$3 name=$4
recipe=$(cd "$(dirname "$0")" && pwd)
node=${NODE:-/usr/bin/node}
app=${APP:-/opt/modelward}
config=${CONFIG:-/etc/modelward}
data=${DATA:-/srv/modelward}
arch_libdir=${ARCH_LIBDIR:-/lib/x86_64-linux-gnu}

# Measured with the rest; one that is there was edited, and stays.
[ -e "$config/gateway.yaml" ] || sed -e "s|@BROKER@|$broker|" -e "s|@RESOURCE@|$resource|" -e "s|@NAME@|$name|" -e "s|@DATA@|$data|" \
  "$recipe/gateway.template.yaml" >"$config/gateway.yaml"
mkdir -p "$data/public"

gramine-manifest \
  -Dnode="$node" -Dapp="$app" -Dconfig="$config" -Ddata="$data" -Darch_libdir="$arch_libdir" \
  -Dedmm="${EDMM:-false}" -Denclave_size="${ENCLAVE_SIZE:-4G}" \
  "$recipe/modelward.manifest.template" modelward.manifest
gramine-sgx-sign --manifest modelward.manifest --output modelward.manifest.sgx --key "${ENCLAVE_KEY:-$HOME/.config/gramine/enclave-key.pem}"

mr_enclave=$(gramine-sgx-sigstruct-view --output-format=json modelward.sig \
  | sed -n 's/.*"mr_enclave": *"\([0-9a-f]*\)".*/\1/p')
[ ${#mr_enclave} -eq 64 ] || { echo 'no MRENCLAVE in modelward.sig' >&2; exit 1; }
sed -e "s|@MR_ENCLAVE@|$mr_enclave|" -e "s|@RESOURCE@|$resource|" -e "s|@SEAL_ID@|$seal_id|" \
  "$recipe/broker-policy.template.json" >broker-policy.json
echo "MRENCLAVE $mr_enclave, policy in broker-policy.json; start with: gramine-sgx modelward"
