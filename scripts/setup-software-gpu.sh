#!/usr/bin/env bash
# A software Vulkan device, so that the tests of the webgpu engine run where there is no graphics card: Mesa's lavapipe from Debian's backports
# (Debian 12's own Mesa is too old for Dawn). Idempotent; prints one line; never fails: without a device those tests skip and say so.
set -uo pipefail

say() { printf 'software GPU: %s\n' "$*"; exit 0; }

installed() { dpkg-query -W -f='${Status} ${Version}' mesa-vulkan-drivers 2>/dev/null; }
recent() { installed | grep -Eq '^install ok installed (2[4-9]|[3-9][0-9])\.'; }

if [ "$(uname -s)" != Linux ] || ! command -v apt-get >/dev/null; then
  say "not Debian; install a Vulkan driver by hand (Mesa 24 or later has lavapipe)"
fi
recent && say "mesa-vulkan-drivers $(installed | cut -d' ' -f4) is installed"
[ "$(id -u)" = 0 ] || say "not installed: needs root (run scripts/setup-software-gpu.sh as root)"

codename="$(. /etc/os-release && printf '%s' "${VERSION_CODENAME:-}")"
export DEBIAN_FRONTEND=noninteractive
apt=(timeout 240 apt-get -qq -o Acquire::Retries=1 -o Acquire::http::Timeout=20 -o Dpkg::Use-Pty=0)
target=()
if [ "$codename" = bookworm ]; then
  list=/etc/apt/sources.list.d/backports-for-mesa.list
  if ! grep -rqs 'bookworm-backports' /etc/apt/sources.list /etc/apt/sources.list.d; then
    # from the mirror that this machine takes Debian from already
    mirror="$(sed -nE 's/^URIs: *([^ ]+).*/\1/p; s/^deb +(\[[^]]*\] +)?([^ ]+) .*/\2/p' \
      /etc/apt/sources.list /etc/apt/sources.list.d/*.list /etc/apt/sources.list.d/*.sources 2>/dev/null | grep -v security | head -n 1)"
    [ -n "$mirror" ] || say "not installed: found no mirror in the sources of apt"
    key=/usr/share/keyrings/debian-archive-keyring.gpg
    printf 'deb [signed-by=%s] %s bookworm-backports main\n' "$key" "$mirror" > "$list" || say "not installed: cannot write $list"
  fi
  target=(-t bookworm-backports)
fi
"${apt[@]}" update >/dev/null 2>&1 || say "not installed: apt-get update did not get through"
"${apt[@]}" install -y --no-install-recommends "${target[@]}" mesa-vulkan-drivers >/dev/null 2>&1 || say "not installed: apt-get install did not get through"
recent && say "mesa-vulkan-drivers $(installed | cut -d' ' -f4) installed"
say "installed, but older than Mesa 24, which Dawn does not take"
