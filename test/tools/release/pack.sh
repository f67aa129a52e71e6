#!/bin/bash
# Packs a release from built programs: pack.sh BIN OUT VERSION [ARCH]. The same programs
# give the same bytes; SOURCE_DATE_EPOCH is the time of everything inside. What they say
# of themselves is asked of those in bin/, which this machine can execute.
set -eu -o pipefail
bin=$1 out=$2 version=$3
top=$(cd "$(dirname "$0")/../../.." && pwd)
export SOURCE_DATE_EPOCH LC_ALL=C TZ=UTC
umask 022

# A version that Debian can order: digits first, no dash.
case $version in
v[0-9]*) number=${version#v} ;;
*) number=0.0.0+git.$version ;;
esac
arch=${4:-$(cd "$top" && go env GOARCH)}
name=tango-$number-linux-$arch
tree=$out/$name

rm -rf "$out"
mkdir -p "$tree/completions" "$tree/systemd"
install -m 0755 "$bin/tango" "$bin/tango-bench" "$bin/containerd-shim-tango-v2" "$tree/"
install -m 0644 "$top/LICENSE" "$top/README.md" "$tree/"
cp -r "$top/deploy/containerd" "$top/deploy/kubernetes" "$tree/"
cp -r "$top/docs" "$tree/docs"
"$top/bin/tango" man | gzip -9n >"$tree/tango.8.gz"
for shell in bash zsh fish; do
	"$top/bin/tango" completion "$shell" >"$tree/completions/tango.$shell"
done
find "$top/deploy/systemd" -name '*.service' -o -name '*.socket' 2>/dev/null | while read -r unit; do
	install -m 0644 "$unit" "$tree/systemd/"
done
chmod -R u=rwX,go=rX "$tree"
find "$tree" -exec touch -h -d "@$SOURCE_DATE_EPOCH" {} +

"$top/bin/tools/sbom" "$tree/tango" "$tree/tango-bench" "$tree/containerd-shim-tango-v2" >"$out/$name.cdx.json"
tar -C "$out" --sort=name --owner=0 --group=0 --numeric-owner --mtime="@$SOURCE_DATE_EPOCH" \
	-cf - "$name" | gzip -9n >"$out/$name.tar.gz"

install -m 0755 "$top/deploy/debian/preremove.sh" "$tree/"
touch -d "@$SOURCE_DATE_EPOCH" "$tree/preremove.sh"
(cd "$tree" && NUMBER=${number//-/\~} ARCH=$arch \
	"$top/bin/tools/nfpm" package --config "$top/deploy/debian/nfpm.yaml" --packager deb --target "$out/$name.deb")
rm -rf "$tree"
(cd "$out" && sha256sum -- * >SHA256SUMS)
