#!/usr/bin/env bash
# Chromium, so that the tests of the playground run: Debian's package. Idempotent; prints one line; never fails: without it those tests skip and say so.
set -uo pipefail

say() { printf 'browser: %s\n' "$*"; exit 0; }

for name in chromium google-chrome; do
  command -v "$name" >/dev/null && say "$(command -v "$name") is installed"
done
command -v apt-get >/dev/null || say "not Debian; install Chromium by hand and name it in GMC_CHROMIUM"
[ "$(id -u)" = 0 ] || say "not installed: needs root (run scripts/setup-browser.sh as root)"
export DEBIAN_FRONTEND=noninteractive
apt=(timeout 240 apt-get -qq -o Acquire::Retries=1 -o Acquire::http::Timeout=20 -o Dpkg::Use-Pty=0)
"${apt[@]}" update >/dev/null 2>&1 || say "not installed: apt-get update did not get through"
"${apt[@]}" install -y --no-install-recommends chromium >/dev/null 2>&1 || say "not installed: apt-get install did not get through"
say "$(command -v chromium) installed"
