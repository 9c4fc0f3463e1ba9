#!/bin/sh
# prometheus.sh promtool|prometheus|prometheus-alertmanager ARGUMENTS: runs the installed program, else that of its
# Debian package, unpacked into the cache without installing it (paths for Alertmanager must be absolute then).
# Exit 69 when neither is to be had.
set -eu
program="$1"
shift
if command -v "$program" >/dev/null 2>&1; then
    exec "$program" "$@"
fi
case "$program" in
    prometheus-alertmanager) package=prometheus-alertmanager ;;
    *) package=prometheus ;;
esac
templates=usr/share/prometheus/alertmanager
cache="${XDG_CACHE_HOME:-${HOME:-/tmp}/.cache}/tocsin/prometheus"
if [ ! -x "$cache/usr/bin/$program" ]; then
    command -v apt-get >/dev/null 2>&1 || { echo "$program is not installed and there is no apt-get" >&2; exit 69; }
    download=$(mktemp -d)
    trap 'rm -rf "$download"' EXIT
    (cd "$download" && { apt-get download "$package" || { apt-get update && apt-get download "$package"; }; } >/dev/null 2>&1) ||
        { echo "$program is not installed and its package cannot be downloaded" >&2; exit 69; }
    mkdir -p "$cache"
    dpkg -x "$download/$package"_*.deb "$cache"
    # Debian's Alertmanager reads its templates below /usr/share: now below its working directory, a path as long
    [ "$package" = prometheus ] ||
        LC_ALL=C sed -i "s#/$templates#$templates/#" "$cache/usr/bin/$program"
    rm -rf "$download"
    trap - EXIT
fi
[ "$package" = prometheus ] || cd "$cache"
exec "$cache/usr/bin/$program" "$@"
