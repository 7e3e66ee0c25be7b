#!/bin/sh
# Makes a read-only root with a tree of hashes over it, and the kernel command line that names the top of that tree.
# Usage: build-image.sh ROOT OUT   (ROOT: folder with the system, see docs/attestation.md; OUT: folder to make)
# Needs: squashfs-tools, cryptsetup-bin. Nothing is written into ROOT but the files of this recipe.
set -eu
[ $# -eq 2 ] || { sed -n '2,4s/^# //p' "$0" >&2; exit 2; }
root=$1 out=$2
recipe=$(cd "$(dirname "$0")" && pwd)

# A path by which the host gives orders is a path around the measurement.
for path in usr/bin/cloud-init usr/bin/qemu-ga usr/sbin/qemu-ga usr/sbin/waagent usr/bin/google_guest_agent usr/bin/amazon-ssm-agent usr/sbin/sshd; do
  [ ! -e "$root/$path" ] || { echo "$path takes orders from the host or the network: leave it out of the image" >&2; exit 1; }
done
for script in start publish; do install -D -m 0755 "$recipe/$script" "$root/usr/lib/modelward/$script"; done
install -D -m 0644 "$recipe/modelward.service" "$root/etc/systemd/system/modelward.service"
for file in service.conf gateway.yaml; do
  [ -e "$root/etc/modelward/$file" ] || install -D -m 0644 "$recipe/$file" "$root/etc/modelward/$file"
done
install -D -m 0644 "$recipe/sysctl.conf" "$root/etc/sysctl.d/90-modelward.conf"
install -D -m 0644 "$recipe/coredump.conf" "$root/etc/systemd/coredump.conf.d/90-modelward.conf"
install -D -m 0644 "$recipe/modules.conf" "$root/etc/modules-load.d/modelward.conf"
mkdir -p "$root/etc/systemd/system/multi-user.target.wants"
ln -sfn ../modelward.service "$root/etc/systemd/system/multi-user.target.wants/modelward.service"

mkdir "$out"
# The same ROOT gives the same bytes: one time for all files, one owner, one thread.
mksquashfs "$root" "$out/root.squashfs" -noappend -all-root -all-time 0 -mkfs-time 0 -processors 1 -quiet -no-progress
# The salt and the UUID are part of the measured hash or of its disk; drawn ones would make every build another machine.
veritysetup format --salt=0000000000000000000000000000000000000000000000000000000000000000 \
  --uuid=00000000-0000-0000-0000-000000000000 --root-hash-file="$out/root.hash" \
  "$out/root.squashfs" "$out/root.verity" >/dev/null
sed "s/@ROOT_HASH@/$(cat "$out/root.hash")/" "$recipe/cmdline.template" >"$out/cmdline"
echo "root hash $(cat "$out/root.hash"); kernel command line in $out/cmdline"
