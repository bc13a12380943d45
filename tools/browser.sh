#!/bin/sh
# Finds the Chromium that the browser tests drive (test/browser), and installs it from Debian's
# packages where that needs no password. Without one the tests are skipped; in CI that is a
# failure.
set -eu

for name in chromium chromium-browser google-chrome google-chrome-stable chrome; do
	if command -v "$name" >/dev/null 2>&1; then exit 0; fi
done
if [ -x "/Applications/Google Chrome.app/Contents/MacOS/Google Chrome" ]; then exit 0; fi

sudo=
if [ "$(id -u)" != 0 ]; then sudo="sudo -n"; fi
if command -v apt-get >/dev/null 2>&1 && $sudo true 2>/dev/null; then
	echo "installing Chromium for the browser tests" >&2
	$sudo apt-get update -q >&2
	$sudo env DEBIAN_FRONTEND=noninteractive apt-get install -q -y --no-install-recommends \
		chromium fonts-dejavu-core fonts-noto-color-emoji >&2
	exit 0
fi
echo "no Chromium found: the browser tests are skipped; install Chromium or Chrome to run them" >&2
[ -z "${CI:-}" ]
