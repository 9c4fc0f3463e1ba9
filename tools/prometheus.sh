#!/bin/sh
# prometheus.sh promtool|prometheus ARGUMENTS: runs the installed program, else that of the Debian package, unpacked
# into the cache without installing it. Exit 69 when neither is to be had.
set -eu
program="$1"
shift
if command -v "$program" >/dev/null 2>&1; then
    exec "$program" "$@"
fi
cache="${XDG_CACHE_HOME:-${HOME:-/tmp}/.cache}/tocsin/prometheus"
if [ ! -x "$cache/usr/bin/$program" ]; then
    command -v apt-get >/dev/null 2>&1 || { echo "$program is not installed and there is no apt-get" >&2; exit 69; }
    download=$(mktemp -d)
    trap 'rm -rf "$download"' EXIT
    (cd "$download" && { apt-get download prometheus || { apt-get update && apt-get download prometheus; }; } >/dev/null 2>&1) ||
        { echo "$program is not installed and its package cannot be downloaded" >&2; exit 69; }
    mkdir -p "$cache"
    dpkg -x "$download"/prometheus_*.deb "$cache"
    rm -rf "$download"
    trap - EXIT
fi
exec "$cache/usr/bin/$program" "$@"
