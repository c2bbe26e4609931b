#!/usr/bin/env bash
# Brings up Podman and dockerd for the tests, each in a directory of its own, with base images that come from no registry.
# A second dockerd, `hardened`, has user namespaces (for which it makes a user `dockremap`), a bridge and a firewall.
#
#   eval "$(scripts/engines.sh up DIR [USER])"  starts what is installed of them; sets RUNCODE_TEST_ENGINES. For USER, an ordinary
#                                               account, a rootless Podman of his own and the use of dockerd by his group; sets
#                                               RUNCODE_TEST_USER_ENGINES
#   scripts/engines.sh down DIR                 stops them by pid and removes everything in DIR
#   scripts/engines.sh one KIND DIR [WORD…]     starts podman, rootless or docker alone, with the busybox image alone, unless it
#                                               answers already; the words go to dockerd, or to podman before `system service`. For
#                                               tests that kill it.
#
# Needs root, but for a rootless Podman alone. Debian: podman runc netavark aardvark-dns containernetworking-plugins iptables
# catatonit busybox-static curl docker.io debootstrap; uidmap slirp4netns for a rootless one. The images are
# localhost/runcode-busybox (a static busybox and nothing else) and localhost/runcode-debian (debootstrap with python3 and procps,
# by the mirror that apt is configured with).
set -euo pipefail

usage() { sed -n '2,12s/^# \{0,1\}//p' "$0" >&2; exit 2; }
[ $# -ge 2 ] || usage
action=$1
shift
kind=
if [ "$action" = one ]; then
  kind=$1
  shift
  [[ $kind =~ ^(podman|rootless|docker)$ && $# -ge 1 ]] || usage
fi
mkdir -p "$1"
dir=$(cd "$1" && pwd -P)
shift
user=
if [ "$action" = up ] && [ $# -gt 0 ]; then
  user=$1
  shift
  id "$user" >/dev/null || usage
fi
words=("$@")
[ ${#words[@]} -eq 0 ] || [ "$action" = one ] || usage

say() { echo "engines: $*" >&2; }

# The engines' own limits on open files are what this shell may have; asking for more than that makes runc fail.
files=$(ulimit -Hn)
processes=$(ulimit -Hu)
{ [ "$processes" = unlimited ] || [ "$processes" -gt 32768 ]; } && processes=32768

answers() {
  for _ in $(seq 300); do
    curl -sf --unix-socket "$1" http://engine/_ping >/dev/null 2>&1 && return 0
    sleep 0.1
  done
  return 1
}

# Takes the directory of one.
podman_settings() {
  local at=$1
  mkdir -p "$at/xdg"
  chmod 700 "$at/xdg"
  # runc, since crun 1.8 refuses a machine with both versions of cgroups mounted. Locks of its own, since all Podmans of a machine
  # share one array of them in /dev/shm, by numbers that each gives out for itself: two of them wait for each other for ever. Networks
  # of its own too: they have a lock beside them, under which one Podman keeps all others waiting while it publishes ports.
  cat >"$at/containers.conf" <<CONF
[containers]
default_ulimits = ["nofile=$files:$files", "nproc=$processes:$processes"]
[engine]
cgroup_manager = "cgroupfs"
runtime = "runc"
events_logger = "file"
lock_type = "file"
tmp_dir = "$at/tmp"
[network]
network_backend = "netavark"
network_config_dir = "$at/networks"
CONF
  printf '[storage]\ndriver = "overlay"\ngraphroot = "%s/root"\nrootless_storage_path = "%s/root"\nrunroot = "%s/run"\n' "$at" "$at" "$at" \
    >"$at/storage.conf"
}

# Takes a directory with settings, and a command of which the service is to be a child; starts it in a directory of its own: its
# monitors leave an empty file, `oom`, where it was started.
serve_podman() {
  local at=$1
  shift
  (cd "$at"
    "$@" env CONTAINERS_CONF="$at/containers.conf" CONTAINERS_STORAGE_CONF="$at/storage.conf" HOME="$at" XDG_RUNTIME_DIR="$at/xdg" \
    setsid podman "${words[@]}" system service --time=0 "unix://$at/socket" >"$at/log" 2>&1 </dev/null &
    echo $! >"$at/pid")
  answers "$at/socket" || { say "$(basename "$at") does not answer:"; tail -5 "$at/log" >&2; return 1; }
  # Rootless, what serves is a child of what was started, and outlives it.
  local child
  while child=$(pgrep -x podman -P "$(cat "$at/pid")"); do echo "$child" >"$at/pid"; done
}

start_podman() {
  local at=$dir/podman
  mkdir -p "$at"
  podman_settings "$at"
  serve_podman "$at"
}

# As this account or, by root, as the one that it is for. Neither systemd nor D-Bus is wanted, and so there are no cgroups.
start_rootless() {
  local at=$dir/rootless
  mkdir -p "$at"
  podman_settings "$at"
  [ -n "$user" ] || { serve_podman "$at"; return; }
  # As udev would have it: its network is a program that carries packets between a device and the machine's sockets.
  [ ! -c /dev/net/tun ] || chmod a+rw /dev/net/tun
  chown -R "$user:" "$at"
  serve_podman "$at" setpriv --reuid "$user" --regid "$(id -g "$user")" --init-groups
}

start_docker() {
  local at=$dir/docker
  mkdir -p "$at"
  # Without a bridge of its own it leaves the machine's network alone; what needs one brings a network of its own.
  setsid dockerd --data-root "$at/root" --exec-root "$at/run" --pidfile "$at/dockerd.pid" -H "unix://$at/socket" \
    --bridge=none --iptables=false --ip6tables=false ${user:+--group "$(id -gn "$user")"} "${words[@]}" >"$at/log" 2>&1 </dev/null &
  echo $! >"$at/pid"
  answers "$at/socket" || { say "dockerd does not answer:"; tail -5 "$at/log" >&2; return 1; }
}

start_hardened() {
  local at=$dir/hardened
  mkdir -p "$at"
  # In a network namespace, its bridge and its firewall are nobody else's.
  setsid unshare --net sh -c 'ip link set lo up && exec dockerd "$@"' dockerd --data-root "$at/root" --exec-root "$at/run" \
    --pidfile "$at/dockerd.pid" -H "unix://$at/socket" --userns-remap=default >"$at/log" 2>&1 </dev/null &
  echo $! >"$at/pid"
  answers "$at/socket" || { say "the hardened dockerd does not answer:"; tail -5 "$at/log" >&2; return 1; }
}

# Podman gives containers user namespaces where this account has ids to give.
users_for_podman() {
  local file
  for file in /etc/subuid /etc/subgid; do
    grep -qs '^containers:' "$file" || echo containers:2000000000:67108864 >>"$file"
  done
}

# One archive for both engines, made once per directory.
busybox_archive() {
  local root=$dir/busybox
  [ -f "$root.tar" ] && return
  mkdir -p "$root"/{bin,etc,tmp,root,home}
  chmod 1777 "$root/tmp"
  cp /bin/busybox "$root/bin/busybox"
  /bin/busybox --list | while read -r name; do [ "$name" = busybox ] || ln -s busybox "$root/bin/$name"; done
  printf 'root:x:0:0:root:/root:/bin/sh\nsomeone:x:1000:1000::/home/someone:/bin/sh\n' >"$root/etc/passwd"
  printf 'root:x:0:\nsomeone:x:1000:\n' >"$root/etc/group"
  tar -C "$root" -cf "$root.tar" .
}

debian_archive() {
  local root=$dir/debian packages=procps,python3-minimal,libpython3-stdlib
  [ -f "$root.tar" ] && return
  # The machine's own mirror and suite, whatever they are.
  local mirror suite
  mirror=$(apt-cache policy | sed -n 's|^ *[0-9]* \(https\?://[^ ]*\) [^ /]*/main .*|\1|p' | grep -v security | head -1)
  suite=$(sed -n 's/^VERSION_CODENAME=//p' /etc/os-release)
  debootstrap --variant=minbase --include="$packages" "$suite" "$root" "$mirror" >"$dir/debootstrap.log" 2>&1 ||
    { say "debootstrap failed:"; tail -5 "$dir/debootstrap.log" >&2; return 1; }
  rm -rf "$root"/var/cache/apt/* "$root"/var/lib/apt/lists/* "$root"/usr/share/{doc,man,locale}
  tar -C "$root" --exclude=./dev/* --exclude=./proc/* --exclude=./sys/* -cf "$root.tar" .
  rm -rf "$root"
}

import() {
  local socket=$1 name=$2
  curl -sfS --unix-socket "$socket" "http://engine/images/localhost/runcode-$name:latest/json" >/dev/null 2>&1 && return
  # Both engines: CMD is not kept by every version of /images/create, so what is started says its command.
  curl -sfS --unix-socket "$socket" -H 'content-type: application/x-tar' -T "$dir/$name.tar" -X POST \
    "http://engine/images/create?fromSrc=-&repo=localhost/runcode-$name&tag=latest" >"$dir/import.log" 2>&1 ||
    { say "cannot import $name:"; tail -3 "$dir/import.log" >&2; return 1; }
}

up() {
  local found=() his=() at program engines=(podman docker hardened)
  [ -z "$user" ] || engines+=(rootless)
  # Root of a user namespace is an ordinary account to the machine, and has to get to its files.
  chmod a+x "$dir"
  busybox_archive
  debian_archive
  users_for_podman
  for engine in "${engines[@]}"; do
    at=$dir/$engine
    case $engine in podman) program=podman ;; rootless) program=slirp4netns ;; *) program=dockerd ;; esac
    command -v "$program" >/dev/null || { say "$engine is not installed"; continue; }
    curl -sf --unix-socket "$at/socket" http://engine/_ping >/dev/null 2>&1 || "start_$engine"
    import "$at/socket" busybox
    import "$at/socket" debian
    [ "$engine" = rootless ] || found+=("$engine=unix://$at/socket")
    [ -z "$user" ] || [[ ! $engine =~ ^(rootless|docker)$ ]] || his+=("$engine=unix://$at/socket")
  done
  (IFS=,
    echo "export RUNCODE_TEST_ENGINES=${found[*]}"
    [ -z "$user" ] || echo "export RUNCODE_TEST_USER_ENGINES=${his[*]}")
}

one() {
  local at=$dir/$kind
  busybox_archive
  if ! curl -sf --unix-socket "$at/socket" http://engine/_ping >/dev/null 2>&1; then
    # What one that was killed leaves would keep the next from starting: dockerd waits for a containerd that is a zombie.
    rm -f "$at/socket" "$at/dockerd.pid" "$at/run/containerd/containerd.pid"
    "start_$kind"
  fi
  import "$at/socket" busybox
}

stop_one() {
  local at=$1 pid
  [ -f "$at/pid" ] || return 0
  pid=$(cat "$at/pid")
  # Containers first: Podman's outlive its service.
  if kill -0 "$pid" 2>/dev/null && answers "$at/socket"; then
    for id in $(curl -sf --unix-socket "$at/socket" 'http://engine/containers/json?all=true' | grep -o '"Id":"[0-9a-f]*"' | cut -d'"' -f4); do
      curl -sf --unix-socket "$at/socket" -X DELETE "http://engine/containers/$id?force=true&v=true" >/dev/null || true
    done
  fi
  kill "$pid" 2>/dev/null || true
  for _ in $(seq 100); do kill -0 "$pid" 2>/dev/null || break; sleep 0.1; done
  kill -9 "$pid" 2>/dev/null || true
}

# Podman's monitors wait five minutes after an exec ended, and then clean up in a directory that they make anew for it. Rootless, a
# process holds the user namespace, and one carries the packets.
stop_monitors() {
  local each pause=$dir/rootless/tmp/pause.pid
  for each in /proc/[0-9]*; do
    [[ "$(cat "$each/comm" 2>/dev/null)" =~ ^(conmon|slirp4netns)$ ]] || continue
    if tr '\0' '\n' 2>/dev/null <"$each/cmdline" | grep -qE "^$dir/(podman|rootless)/"; then kill "${each#/proc/}" 2>/dev/null || true; fi
  done
  [ ! -f "$pause" ] || kill "$(cat "$pause")" 2>/dev/null || true
}

down() {
  stop_one "$dir/podman"
  stop_one "$dir/rootless"
  # What other ids of an account's own have written, it may remove only as root of their namespace.
  [ ! -d "$dir/rootless" ] || [ "$(id -u)" = 0 ] || HOME=$dir/rootless XDG_RUNTIME_DIR=$dir/rootless/xdg \
    CONTAINERS_CONF=$dir/rootless/containers.conf CONTAINERS_STORAGE_CONF=$dir/rootless/storage.conf podman unshare \
    sh -c 'umount -l "$1"/root/overlay; rm -rf "$1/root"' sh "$dir/rootless" 2>/dev/null || true
  stop_monitors
  stop_one "$dir/docker"
  stop_one "$dir/hardened"
  # Mounts below the directory would keep it from going; the deepest goes first. A container that is just ending may still add one.
  for _ in $(seq 20); do
    sed -n "s|^[^ ]* \($dir/[^ ]*\) .*|\1|p" /proc/mounts | sort -r | while read -r mount; do umount -l "$mount" || true; done
    rm -rf "$dir" 2>/dev/null && return
    sleep 0.5
  done
  say "$dir cannot be removed"
}

case $action in
  up) up ;;
  one) one ;;
  down) down ;;
  *) usage ;;
esac
