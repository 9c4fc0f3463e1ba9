#!/bin/sh
# Runs promtool: the installed one, else that of the Debian package, unpacked into the cache without installing it.
set -eu
if command -v promtool >/dev/null 2>&1; then
    exec promtool "$@"
fi
cache="${XDG_CACHE_HOME:-${HOME:-/tmp}/.cache}/tocsin/prometheus"
if [ ! -x "$cache/usr/bin/promtool" ]; then
    command -v apt-get >/dev/null 2>&1 || { echo "promtool is not installed and there is no apt-get" >&2; exit 69; }
    download=$(mktemp -d)
    trap 'rm -rf "$download"' EXIT
    (cd "$download" && apt-get download prometheus >/dev/null 2>&1) ||
        { echo "promtool is not installed and its package cannot be downloaded" >&2; exit 69; }
    mkdir -p "$cache"
    dpkg -x "$download"/prometheus_*.deb "$cache"
    rm -rf "$download"
    trap - EXIT
fi
exec "$cache/usr/bin/promtool" "$@"
