#!/bin/sh
# Installs runcode: finds out what this machine is, downloads that build, checks it against the release's checksums, and
# only then puts it in place, by rename. POSIX sh; needs curl or wget, tar with gzip, and one of sha256sum, shasum, openssl.
#
#   sh install.sh [--version X] [--prefix DIR] [--dry-run] [--uninstall]
#
# RUNCODE_DOWNLOAD_BASE names a mirror with the layout of the release page: latest/download/FILE and download/vX/FILE.
# All of it is functions, called on the last line from within braces: of a script that arrived cut off, nothing runs.
# `A && B || die`: it never comes back, and is meant for both.
# shellcheck disable=SC2015
set -eu

RELEASES=https://github.com/runcode-io/runcode-cli/releases
# In blocks of 512 bytes (ulimit -f): no download may fill the disk. 512 MiB is several times any archive.
LARGEST=1048576

say() { printf '%s\n' "$*"; }

# die MESSAGE [HINT]
die() {
  printf 'runcode installer: %s\n' "$1" >&2
  [ $# -lt 2 ] || printf '  %s\n' "$2" >&2
  exit 1
}

usage() {
  cat <<'END'
Usage: sh install.sh [options]

  --version X      that version, not the latest
  --prefix DIR     into DIR/bin, not ~/.local/bin
  --dry-run        say what would be done; change nothing
  --uninstall      remove what this script installed
  --help           this

RUNCODE_DOWNLOAD_BASE names a mirror of the release page (https, or this machine).
END
}

wrong_usage() {
  printf 'runcode installer: %s\n' "$1" >&2
  usage >&2
  exit 2
}

read_options() {
  version='' prefix='' dry='' uninstall=''
  while [ $# -gt 0 ]; do
    case $1 in
      --version | --prefix)
        [ $# -ge 2 ] && [ -n "$2" ] || wrong_usage "$1 needs a value"
        case $1 in --version) version=$2 ;; *) prefix=$2 ;; esac
        shift
        ;;
      --version=?*) version=${1#*=} ;;
      --prefix=?*) prefix=${1#*=} ;;
      --dry-run) dry=yes ;;
      --uninstall) uninstall=yes ;;
      -h | --help)
        usage
        exit 0
        ;;
      *) wrong_usage "unknown option $1" ;;
    esac
    shift
  done
  version=${version#v}
  [ -z "$version" ] || is_version "$version" || wrong_usage "not a version: $version"
  if [ -z "$prefix" ]; then
    [ -n "${HOME:-}" ] || wrong_usage "HOME is not set: say --prefix DIR"
    prefix=$HOME/.local
  fi
  case $prefix in /*) ;; *) prefix=$PWD/$prefix ;; esac
  bin=${prefix%/}/bin
  # bin/runcode finds it from where it is itself, whatever the prefix is called and wherever it is moved to.
  data=${prefix%/}/share/runcode
  receipt=$data/install.json
}

# What goes into URLs and file names: digits and dots, perhaps -rc.1.
is_version() {
  case $1 in *[!0-9A-Za-z.-]* | *..* | -* | .*) return 1 ;; esac
  case $1 in [0-9]*.[0-9]*.[0-9]*) return 0 ;; *) return 1 ;; esac
}

# Sets base, and loopback=yes where it is this machine: there, and only there, plain http is good enough.
read_base() {
  base=${RUNCODE_DOWNLOAD_BASE:-$RELEASES}
  base=${base%/}
  loopback=''
  # No user, no query, no blanks: what is left reads the same to every downloader.
  case $base in *[!]A-Za-z0-9:/._~%[-]*) die "RUNCODE_DOWNLOAD_BASE is not a plain URL: $base" ;; esac
  case $base in
    https://?*) return 0 ;;
    http://?*) ;;
    *) die "RUNCODE_DOWNLOAD_BASE is not an https URL: $base" ;;
  esac
  host=${base#http://}
  host=${host%%/*}
  case $host in
    '[::1]' | '[::1]':*) loopback=yes ;;
    *)
      host=${host%%:*}
      case $host in
        localhost) loopback=yes ;;
        *[!0-9.]*) ;;
        127.*) loopback=yes ;;
      esac
      ;;
  esac
  [ -n "$loopback" ] || die "$base is not https" "plain http is for a mirror on this very machine only"
}

# Sets target to the name of the build for this machine.
detect() {
  system=$(uname -s) machine=$(uname -m) os='' cpu='' variant=''
  case $system in
    Linux) os=linux ;;
    Darwin) os=darwin ;;
    MINGW* | MSYS* | CYGWIN* | Windows*) die "this script is for Linux and macOS" "on Windows use install.ps1" ;;
    *) die "there is no build for $system" ;;
  esac
  case $machine in
    x86_64 | amd64) cpu=x64 ;;
    aarch64 | arm64) cpu=arm64 ;;
    *) die "there is no build for $system on $machine" ;;
  esac
  if [ "$os" = darwin ]; then
    # A shell that Rosetta translates calls an Apple CPU x86_64.
    [ "$(sysctl -n sysctl.proc_translated 2>/dev/null || :)" != 1 ] || cpu=arm64
  else
    avx2=yes
    [ "$cpu" != x64 ] || grep -q -w avx2 /proc/cpuinfo 2>/dev/null || avx2=''
    if uses_musl; then
      [ -n "$avx2" ] || die "there is no build for musl on a CPU without AVX2"
      variant=-musl
    elif [ -z "$avx2" ]; then
      variant=-baseline
    fi
  fi
  target=${os}_$cpu$variant
}

# glibc is asked first: a glibc system may have musl's loader as well, and with it a "musl" in many an answer.
uses_musl() {
  case $(getconf GNU_LIBC_VERSION 2>/dev/null || :) in glibc*) return 1 ;; esac
  case $(ldd --version 2>&1 || :) in *musl*) return 0 ;; esac
  for loader in /lib/ld-musl-*; do
    [ ! -e "$loader" ] || return 0
  done
  return 1
}

have() { command -v "$1" >/dev/null 2>&1; }

need_tools() {
  if have curl; then
    downloader=curl
  elif have wget; then
    case $(wget --version 2>/dev/null || :) in
      *'GNU Wget'*) downloader=wget ;;
      *)
        downloader=plain-wget
        # Busybox's takes any certificate, and the checksums would come over the same line.
        [ -n "$loopback" ] || die "this wget does not check certificates" "install curl or GNU wget (Alpine: apk add curl)"
        ;;
    esac
  else
    die "neither curl nor wget is here" "install one of them"
  fi
  if have sha256sum; then
    hasher=sha256sum
  elif have shasum; then
    hasher=shasum
  elif have openssl; then
    hasher=openssl
  else
    die "nothing here can compute SHA-256, and unchecked this script installs nothing" "install sha256sum, shasum or openssl"
  fi
  have tar || die "tar is not here" "install tar and gzip"
}

sha256() {
  case $hasher in
    sha256sum) sha256sum <"$1" ;;
    shasum) shasum -a 256 <"$1" ;;
    openssl) openssl dgst -sha256 -r <"$1" ;;
  esac | cut -d ' ' -f 1
}

# Runs a command that may take long. A shell looks at signals only between commands, but `wait` it can leave at once.
patiently() {
  (
    # shellcheck disable=SC3045 # POSIX has -f, the only one used
    ulimit -f "$LARGEST" 2>/dev/null || :
    exec "$@"
  ) &
  child=$!
  status=0
  wait "$child" || status=$?
  child=''
  return "$status"
}

# fetch URL FILE
fetch() {
  case $downloader in
    curl) fetch_by_curl "$@" ;;
    wget) fetch_by_wget "$@" ;;
    plain-wget) patiently wget -q -Y off -O "$2" "$1" ;;
  esac
}

fetch_by_curl() {
  fetch_url=$1 fetch_file=$2
  if [ -n "$loopback" ]; then
    # No redirects: they could lead away from this machine in clear.
    set -- --noproxy '*'
  else
    set -- --proto '=https' --proto-redir '=https' --tlsv1.2 --location --max-redirs 5
  fi
  patiently curl --fail --silent --show-error --connect-timeout 20 --speed-limit 1 --speed-time 60 \
    "$@" --output "$fetch_file" --url "$fetch_url"
}

# wget's --https-only does not look at redirects, so they are followed by hand.
fetch_by_wget() {
  fetch_url=$1 hops=0
  set -- "$2" --no-verbose --server-response --max-redirect=0 --timeout=60 --tries=1
  [ -z "$loopback" ] || set -- "$@" --no-proxy
  fetch_file=$1
  shift
  while :; do
    patiently wget "$@" --output-file="$work/answer" --output-document="$fetch_file" "$fetch_url" && return 0
    next=$(sed -n 's/^ *[Ll]ocation: *\([^ ]*\).*/\1/p' "$work/answer" | tail -n 1)
    hops=$((hops + 1))
    case $loopback$next in
      https://?*) [ "$hops" -le 5 ] || return 1 ;;
      *)
        tail -n 1 "$work/answer" >&2
        return 1
        ;;
    esac
    fetch_url=$next
  done
}

clean_up() {
  if [ -n "$child" ]; then
    kill "$child" 2>/dev/null || :
    wait "$child" 2>/dev/null || :
  fi
  [ -z "$staged" ] || rm -f "$staged"
  [ -z "$staged_receipt" ] || rm -f "$staged_receipt"
  [ -z "$work" ] || rm -rf "$work"
}

make_work() {
  child='' staged='' staged_receipt='' work=''
  trap clean_up EXIT
  trap 'exit 129' HUP
  trap 'exit 130' INT
  trap 'exit 143' TERM
  work=$(mktemp -d "${TMPDIR:-/tmp}/runcode-install.XXXXXX") || die "cannot make a temporary directory"
}

latest_version() {
  fetch "$base/latest/download/version.txt" "$work/version.txt" ||
    die "cannot learn the latest version from $base" "check the connection, or name one: --version X"
  version=''
  read -r version <"$work/version.txt" || :
  is_version "$version" || die "$base names no version as its latest" "is RUNCODE_DOWNLOAD_BASE right?"
}

# Sets expected to the archive's checksum; exactly one well-formed line must name it.
read_checksum() {
  expected=''
  while read -r hash name rest || [ -n "$hash" ]; do
    [ "${name#\*}" = "$archive" ] && [ -z "$rest" ] || continue
    [ -z "$expected" ] || die "checksums.txt names $archive twice"
    expected=$hash
  done <"$work/checksums.txt"
  [ -n "$expected" ] || die "checksums.txt of version $version does not name $archive" "nothing was installed"
  case $expected in *[!0-9a-f]*) die "checksums.txt is damaged" "nothing was installed" ;; esac
  [ "${#expected}" -eq 64 ] || die "checksums.txt is damaged" "nothing was installed"
}

download() {
  from=$base/download/v$version
  say "Downloading runcode $version for $target"
  fetch "$from/checksums.txt" "$work/checksums.txt" || die "cannot download $from/checksums.txt" "is there a version $version?"
  read_checksum
  fetch "$from/$archive" "$work/$archive" || die "cannot download $from/$archive" "nothing was installed"
  actual=$(sha256 "$work/$archive")
  [ "$actual" = "$expected" ] ||
    die "$archive does not have the checksum that the release names" "nothing was installed; expected $expected, got $actual"
  # To stdout, and that one member: whatever else an archive may hold, no path and no link in it is followed.
  tar -xzOf "$work/$archive" runcode >"$work/runcode" 2>/dev/null ||
    tar -xzOf "$work/$archive" ./runcode >"$work/runcode" 2>/dev/null ||
    die "$archive holds no runcode that tar can read" "nothing was installed"
  [ -s "$work/runcode" ] || die "$archive holds no runcode that is a file" "nothing was installed"
}

# Before anything is downloaded: says whose place it is that cannot be written to.
check_place() {
  place=$bin
  while [ ! -e "$place" ] && [ "$place" != / ]; do place=$(dirname "$place"); done
  [ -d "$place" ] || die "$place is not a directory"
  [ -w "$place" ] || die "you may not write to $place" "choose a place of your own: --prefix DIR"
  [ ! -d "$bin/runcode" ] || die "$bin/runcode is a directory"
  [ ! -L "$bin/runcode" ] ||
    die "$bin/runcode is a link, so something else put it there" "remove it, or choose another place: --prefix DIR"
}

place() {
  mkdir -p "$bin" "$data" || die "cannot create $bin and $data"
  staged=$(mktemp "$bin/.runcode.XXXXXX") && cat "$work/runcode" >"$staged" && chmod 755 "$staged" ||
    die "cannot write to $bin"
  answer=$("$staged" --version 2>&1 </dev/null) || :
  [ "$answer" = "$version" ] ||
    die "the build for $target does not run here: asked for its version it said: $answer" "nothing was installed"
  staged_receipt=$(mktemp "$data/.install.XXXXXX") && chmod 644 "$staged_receipt" &&
    printf '{"method":"script","target":"%s"}\n' "$target" >"$staged_receipt" || die "cannot write to $data"
  # From here on there is nothing to interrupt: two renames.
  trap '' HUP INT TERM
  mv -f "$staged_receipt" "$receipt" && staged_receipt='' && mv -f "$staged" "$bin/runcode" && staged='' ||
    die "cannot write to $bin"
  say "Installed runcode $version as $bin/runcode"
}

mend_path() {
  case :${PATH:-}: in
    *":$bin:"*)
      found=$(command -v runcode || :)
      [ "$found" = "$bin/runcode" ] || [ -z "$found" ] ||
        say "But the PATH leads to another one first: $found"
      say "Next: runcode login"
      return
      ;;
  esac
  case $bin in
    *[!A-Za-z0-9/._\ -]*)
      say "$bin is not on your PATH: add it in your shell's start-up file"
      return
      ;;
  esac
  say "$bin is not on your PATH. To mend that, run this and open a new shell:"
  line="export PATH=\"$bin:\$PATH\""
  # shellcheck disable=SC2088 # a tilde for the reader
  case ${SHELL:-} in
    */fish) say "  fish_add_path '$bin'" ;;
    */zsh) say "  echo '$line' >> ~/.zshrc" ;;
    */bash) say "  echo '$line' >> ~/.bashrc" ;;
    *) say "  echo '$line' >> ~/.profile" ;;
  esac
}

remove() {
  [ -f "$receipt" ] || die "there is no runcode in $bin that this script installed" "elsewhere? say --prefix DIR"
  if [ -n "$dry" ]; then
    say "Would remove $bin/runcode and $receipt"
    return
  fi
  [ -w "$bin" ] && [ -w "$data" ] || die "you may not write to $prefix"
  rm -f "$bin/runcode" "$receipt" || die "cannot remove $bin/runcode"
  rmdir "$data" 2>/dev/null || :
  say "Removed $bin/runcode"
  say "Logins and settings were left alone: they are in ~/.config/runcode, ~/.cache/runcode and ~/.local/state/runcode"
}

main() {
  read_options "$@"
  if [ -n "$uninstall" ]; then
    remove
    return
  fi
  read_base
  detect
  need_tools
  check_place
  make_work
  [ -n "$version" ] || latest_version
  archive=runcode_$target.tar.gz
  if [ -n "$dry" ]; then
    say "Would download $base/download/v$version/$archive"
    say "Would install runcode $version as $bin/runcode"
    return
  fi
  download
  place
  mend_path
}

{ main "$@"; }
