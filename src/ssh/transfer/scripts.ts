// What runs on the workspace: POSIX sh and what coreutils and busybox both have; nothing of ours is installed there.
// A script answers with one line `runcode-<word> <key> <detail>` on stdout. The key is random and made anew for each transfer, so that neither
// what a start-up file prints nor a file's own content can be taken for an answer.
import { RECEIVER, RECEIVER_VARIABLE } from "../../protocol/receiver.ts";

/**
 * Which hash program is there, for files by name (hasher) and for stdin (summer): the workspace's receiver where there is one and the time that
 * it takes to start is little; openssl first for much data, since it uses the processor's SHA instructions where coreutils before 9.2 does not.
 */
const HASH = `
R=\${${RECEIVER_VARIABLE}:-${RECEIVER}}
hasher() {
  if [ "$1" -gt 4194304 ] && command -v openssl >/dev/null; then echo "openssl dgst -sha256 -r"
  elif command -v sha256sum >/dev/null; then echo sha256sum
  elif command -v shasum >/dev/null; then echo "shasum -a 256"
  elif command -v openssl >/dev/null; then echo "openssl dgst -sha256 -r"
  fi
}
summer() {
  if [ "$1" -gt 16777216 ] && [ -x "$R" ]; then echo "$R"; else hasher "$1"; fi
}`;

/** The common beginning. $1 key, $2 workdir, $3 path. */
export const HEAD = `
LC_ALL=C; export LC_ALL
K=$1 W=$2 D=$3; t=
nl='
'
say() { printf 'runcode-%s %s %s\\n' "$1" "$K" "$2"; }
fail() { say "$1" "$2"; exit 1; }
case $D in
./*) cd -- "$W" 2>/dev/null || fail workdir; D=$PWD/\${D#./} ;;
'~') D=$HOME ;;
'~/'*) D=$HOME/\${D#??} ;;
esac
${HASH}`;

/** What is to be read is a file, or the failing answer. */
export const MUST_BE_READABLE = `
[ ! -d "$D" ] || fail directory
[ -e "$D" ] || { [ ! -L "$D" ] || fail dangling; fail missing; }
[ -f "$D" ] || fail special
[ -r "$D" ] || fail io "Permission denied"
`;

/**
 * Where something is to be put. A symbolic link that was named is followed, as scp does; what it leads to is replaced, the link
 * stays. The temporary name stands next to the target, so that the rename stays on one file system.
 */
const PLACE = `
if [ -L "$D" ]; then
  [ -e "$D" ] || fail dangling
  r=$(readlink -f -- "$D" && echo .) || fail dangling
  r=\${r%.}; D=\${r%"$nl"}
fi
P=\${D%/*}
[ -n "$P" ] || P=/
`;
/**
 * A gateway hangs up on every process of a client that is gone, and the end of stdin may have been seen before: what removes the temporary
 * file must not be ended by that signal, nor keep the one that comes a moment earlier from removing it.
 */
const MAKE_PARENT = `
[ -d "$P" ] || e=$(mkdir -p -- "$P" 2>&1) || fail io "$e"
t=\${P%/}/.runcode-$K.part
trap 'cleanup; exit 1' HUP INT TERM PIPE
trap cleanup EXIT
`;

/**
 * One file. Parameters beyond HEAD's: $4 mode (octal, or empty: that of the file it replaces, else what the umask leaves), $5 mtime as `@<seconds>.<ns>`
 * and $6 as `touch -t` wants it (or both empty), $7 `n` for "replace nothing", `a` for "append", else empty, $8 length of the trailer, $9 the size
 * where the content comes on a channel of its own (PUT_CONTENT), else empty; ${10} and ${11} SHA-256 and size of the one content that may be
 * replaced, or both missing. Between that look and the rename the directory is locked, where the workspace has flock: whoever else replaces on such a
 * condition waits. A writer of another kind, at that very moment, is not seen.
 *
 * stdin is the content and then a trailer with the key and the content's SHA-256. The trailer is cut off again and the name given only
 * when both are right, so a connection that dies leaves nothing, whatever the size and whether or not it was known.
 */
export const PUT_FILE = `${HEAD}
[ ! -d "$D" ] || fail directory
${PLACE}
[ ! -d "$D" ] || fail directory
if [ -e "$D" ]; then
  [ -f "$D" ] || fail special
  [ "$7" != n ] || fail exists
fi
cleanup() { trap '' HUP INT TERM PIPE; rm -f -- "$t"; }
${MAKE_PARENT}
e=$( { umask 077; set -C; : >"$t"; } 2>&1 ) || fail io "$e"
if [ -n "$9" ]; then
  say ready
  n=$9; w=
  IFS= read -r w
else
  e=$(cat 2>&1 >"$t") || fail io "$e"
  n=$(($(wc -c <"$t") - $8))
  [ "$n" -ge 0 ] || fail cut
  w=$(tail -c "$8" <"$t" | tr -d '\\000')
  dd if=/dev/null of="$t" bs=1 seek="$n" 2>/dev/null
fi
case $w in "runcode-end $K "*) w=\${w##* } ;; *) fail cut ;; esac
[ "$(wc -c <"$t")" -eq "$n" ] || fail damaged
h=$(summer "$n")
if [ -n "$9" ]; then g=beside
elif [ -n "$h" ]; then
  g=$($h <"$t"); g=\${g%% *}
  [ "$g" = "$w" ] || fail damaged
else g=none
fi
if [ "$7" = a ] && [ -e "$D" ]; then
  b=$(wc -c <"$D") || fail io "cannot read it: Permission denied"
  e=$(cat "$t" 2>&1 >>"$D") || {
    dd if=/dev/null of="$D" bs=1 seek=$((b)) 2>/dev/null
    fail io "$e"
  }
  [ -z "$4" ] || e=$(chmod "$4" "$D" 2>&1) || fail io "$e"
else
  m=$4
  [ -n "$m" ] || [ ! -e "$D" ] || m=$(stat -c %a -- "$D" 2>/dev/null || stat -f %Lp -- "$D")
  [ -n "$m" ] || m=$(printf %o $((0666 & ~$(umask))))
  e=$(chmod "$m" "$t" 2>&1) || fail io "$e"
  [ -z "$5" ] || touch -d "$5" "$t" 2>/dev/null || TZ=UTC0 touch -t "$6" "$t" 2>/dev/null
  [ ! -d "$D" ] || fail directory
  if [ -n "\${10}" ]; then
    # On the directory itself, so that no file is left; the kernel lets go however this shell ends.
    if [ -r "$P" ] && command -v flock >/dev/null; then
      exec 8<"$P"
      flock -w 30 8
    fi
    [ -f "$D" ] && [ "$(($(wc -c <"$D")))" -eq "\${11}" ] || fail changed
    h=$(summer "\${11}")
    if [ -n "$h" ]; then
      w=$($h <"$D")
      [ "\${w%% *}" = "\${10}" ] || fail changed
    fi
  fi
  e=$(mv -f -- "$t" "$D" 2>&1) || fail io "$e"
fi
say ok "$g"
`;

/**
 * The content of a large file, on a channel whose stdin is that very file on the other machine: there is no room for a trailer, and a second channel,
 * on which PUT_FILE waits, says whether it may keep what came. Parameters as HEAD's and $4 the size. The hash is taken while the content comes: by a
 * slow program of what tee gives it; by a fast one of what lies in the file, since tee copies in pieces of 8 KiB before coreutils 9.2. \`follow\` gives
 * the file's bytes a little behind the one that writes it, and ends when all are there, or the file is gone.
 */
export const PUT_CONTENT = `${HEAD}
${PLACE}
t=\${P%/}/.runcode-$K.part
[ -f "$t" ] || fail cut
M=1048576
follow() {
  i=0
  while a=$({ stat -c %s -- "$t" || stat -f %z -- "$t" || wc -c <"$t"; } 2>/dev/null); do
    if [ "$a" -ge "$1" ]; then
      dd if="$t" bs=$M skip=$i 2>/dev/null
      return
    fi
    a=$((a / M))
    if [ $((a - i)) -ge 16 ]; then
      dd if="$t" bs=$M skip=$i count=$((a - i)) 2>/dev/null || return
      i=$a
    else sleep 0.1 2>/dev/null || sleep 1
    fi
  done
}
h=$(summer "$4")
case $h in
"$R") g=$("$R" "$t") ;;
'') cat >"$t" && g=none ;;
openssl*)
  exec 3<&0 </dev/null
  g=$(
    follow "$4" 3<&- | $h 3<&- &
    cat <&3 >"$t" && [ "$(wc -c <"$t")" -ge "$4" ] || rm -f -- "$t"
    wait
  )
  [ -f "$t" ] ;;
*)
  exec 4>>"$t"
  g=$(tee -- "$t" 4>&- | $h 4>&-)
  # The tee of busybox does not say why it stopped. What fails now, into a file that will not be kept, does.
  [ "$(wc -c <"$t")" -ge "$4" ] || dd if=/dev/zero bs=65536 count=1 2>/dev/null | cat >&4 ;;
esac || fail cut
say hash "\${g%% *}"
`;

/**
 * One file to stdout: a line with mode, size and mtime, the content, and a trailer of fixed length with its hash, which is
 * computed by a second reader at the same time. Every character of the trailer is x where reading failed, - where there is no hash program.
 * From a size of $4 on (empty: never) the first word is "beside" and the content is left to GET_CONTENT.
 */
export const GET_FILE = `${HEAD}${MUST_BE_READABLE}
m=$(stat -L -c '%a %s %Y %.9Y' -- "$D" 2>/dev/null || stat -L -f '%Lp %z %m' -- "$D") || m="644 0 0"
n=\${m#* }; n=\${n%% *}
h=$(summer "$n")
a=head
[ -z "$4" ] || [ "$n" -lt "$4" ] || a=beside
say $a "$m"
{ r=$(
  if [ -n "$h" ]; then $h <"$D" & fi
  [ $a = beside ] || cat <"$D" >&3 || echo failed
  wait
); } 3>&1
case $r in
*failed*) r=$(printf %64s x | tr ' ' x) ;;
'') r=$(printf %64s - | tr ' ' -) ;;
esac
printf 'runcode-end %s %s\\n' "$K" "\${r%% *}"
`;

/** The content alone, on a channel whose stdout is the file that it becomes. */
export const GET_CONTENT = `${HEAD}
exec cat <"$D"
`;
