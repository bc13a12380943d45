#!/bin/sh
# Finds what the image's tests build it with (test/image), and installs it from Debian's packages
# where that is possible. Without it those tests are skipped; in CI that is a failure.
set -eu

if command -v buildah >/dev/null 2>&1 && command -v busybox >/dev/null 2>&1; then exit 0; fi
if [ "$(id -u)" = 0 ] && command -v apt-get >/dev/null 2>&1; then
	echo "installing buildah for the image's tests" >&2
	apt-get update -q >&2
	env DEBIAN_FRONTEND=noninteractive apt-get install -q -y --no-install-recommends buildah busybox-static >&2
	exit 0
fi
echo "no buildah, or no busybox, or not root: the image's tests are skipped" >&2
[ -z "${CI:-}" ]
