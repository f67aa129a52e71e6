#!/bin/bash
# Proves that a release can be made again: builds the committed tree twice, in two
# directories and with two empty build caches, and compares every byte.
# check.sh COMMIT WORK
set -eu -o pipefail
work=$2
top=$(cd "$(dirname "$0")/../../.." && pwd)
commit=$(git -C "$top" rev-parse "$1") # once: the branch may go on meanwhile

rm -rf "$work"
for copy in one another/place; do
	mkdir -p "$work/$copy/src" "$work/$copy/cache"
	git -C "$top" archive "$commit" | tar -x -C "$work/$copy/src"
	mkdir -p "$work/$copy/src/bin/tools"
	cp "$top/bin/tools/nfpm" "$top/bin/tools/sbom" "$work/$copy/src/bin/tools/"
	touch "$work/$copy/src/bin/tools/"*
	GOCACHE=$work/$copy/cache make -C "$work/$copy/src" release \
		VERSION="$(git -C "$top" describe --tags --always "$commit")" REVISION="$(git -C "$top" rev-parse "$commit")" \
		SOURCE_DATE_EPOCH="$(git -C "$top" log -1 --format=%ct "$commit")"
done
diff "$work/one/src/bin/release/SHA256SUMS" "$work/another/place/src/bin/release/SHA256SUMS"
cat "$work/one/src/bin/release/SHA256SUMS"
rm -rf "$work"
echo "both builds are the same, byte for byte"
