// The scripts for trees: as src/ssh/transfer/scripts.ts, with the workspace's own tar, find and xargs.
import { HEAD } from "./scripts.ts";

/** A file's place, checked and filled, without a program started for each file. `T` is where to, `C` is set for "replace nothing". */
const CHECK = `
for p do
  q=$T/\${p#./}
  if [ -d "$p" ] && [ ! -L "$p" ]; then
    if [ -L "$q" ] || { [ -e "$q" ] && [ ! -d "$q" ]; }; then echo "file $q"; exit; fi
  elif [ -d "$q" ] && [ ! -L "$q" ]; then echo "blocked $q"; exit
  elif [ -n "$C" ] && { [ -e "$q" ] || [ -L "$q" ]; }; then echo "exists $q"; exit
  fi
done`;
/** A directory that is new is moved whole; of one that is there already the files are moved, and its directories come in their turn. The list of
 * them is made first, since find would miss those that are moved while it walks. */
const MERGE = `
for p do
  [ -d "$p" ] || continue
  q=$T/\${p#./}
  if [ -d "$q" ]; then
    find "$p/." ! -name . -prune ! -type d -exec sh -c 'q=$1; shift; mv -f -- "$@" "$q/."' sh "$q" {} + || exit 1
  else mv -f -- "$p" "$q" || exit 1
  fi
done`;
const word = (script: string): string => `'${script.replaceAll("'", "'\\''")}'`;

/**
 * A tree. Parameters beyond HEAD's: $4 `n` for "replace nothing", else empty. stdin is the archive of src/ssh/transfer/send-tree.ts. It is unpacked
 * in a directory of its own on the same file system, checked there, and only then moved to its place: by one rename where nothing stands there, else
 * file by file, after a look that none of them meets a directory.
 */
export const PUT_TREE = `${HEAD}
command -v tar >/dev/null && command -v find >/dev/null && command -v xargs >/dev/null || fail tools
if [ -d "$D" ]; then P=$D
elif [ -e "$D" ] || [ -L "$D" ]; then fail file
else
  P=\${D%/*}
  [ -n "$P" ] || P=/
  [ -d "$P" ] || e=$(mkdir -p -- "$P" 2>&1) || fail io "$e"
fi
t=\${P%/}/.runcode-$K.part
cleanup() { trap '' HUP INT TERM PIPE; rm -rf -- "$t" 2>/dev/null || { chmod -R u+rwx -- "$t"; rm -rf -- "$t"; } 2>/dev/null; }
trap 'cleanup; exit 1' HUP INT TERM PIPE
trap cleanup EXIT
e=$( { umask 077; mkdir -- "$t"; } 2>&1 ) || fail io "$e"
e=$(tar -xpof - -C "$t" 2>&1) || { [ -n "$e" ] || fail cut; case $e in *nexpected*|*"short read"*|*runcated*) fail cut ;; esac; fail io "$e"; }
[ "$(cat "$t/end" 2>/dev/null)" = "$K" ] || fail cut
cd -- "$t/d" || fail io "cannot enter $t"
h=$(hasher 99999999); g=checked
[ -n "$h" ] || g=none
for m in ../m.*; do
  [ -s "$m" ] && [ -n "$h" ] || continue
  a=$(xargs -0 $h <"$m" 2>/dev/null | sed -n 's/^[^0-9a-f]\\{0,1\\}\\([0-9a-f]\\{64\\}\\) .*/\\1/p')
  b=$(cat "../h.\${m##*.}")
  [ "$a" = "$b" ] || fail damaged
done
if [ -d "$D" ]; then
  T=$D C=$4; export T C
  x=$(find . -name . -o -exec sh -c ${word(CHECK)} sh {} + 2>&1 | head -n 1)
  [ -z "$x" ] || fail "\${x%% *}" "\${x#* }"
  find . -type d -print0 >../dirs
  e=$(xargs -0 sh -c ${word(MERGE)} sh <../dirs 2>&1) || fail io "$e"
else
  e=$(mv -- ../d "$D" 2>&1) || fail io "$e"
fi
if [ -s "$t/c" ]; then cd -- "$D" && xargs -0 -n 2 chmod -- <"$t/c"; fi
cd /
say ok "$g"
`;

/**
 * A directory's tree to stdout: an archive, then the hashes of its files, which are computed meanwhile, one a line as `sha256sum` has them,
 * then `runcode-end <key> <word>`: ok, unchecked (there is no hash program) or failed (tar said so).
 */
export const GET_TREE = `${HEAD}
command -v tar >/dev/null && command -v find >/dev/null || fail tools
[ -d "$D" ] || { [ ! -e "$D" ] || fail file; [ ! -L "$D" ] || fail dangling; fail missing; }
cd -- "$D" 2>/dev/null || fail io "Permission denied"
h=$(hasher 99999999)
f=; v=$(tar --version 2>/dev/null)
case $v in
*GNU*) f='--format=posix --pax-option=delete=atime,delete=ctime --hard-dereference --numeric-owner' ;;
*bsdtar*) f='--format=pax --numeric-owner' ;;
esac
say head tree
{ r=$(
  if [ -n "$h" ]; then find . -type f -exec $h {} + 2>/dev/null & fi
  tar $f -cf - . >&3
  c=$?
  wait
  # GNU tar: 1 is "a file changed as we read it", of which the hashes tell more.
  case $c,$v in 0,*|1,*GNU*) ;; *) echo failed ;; esac
); } 3>&1
w=ok
[ -n "$h" ] || w=unchecked
case $r in failed|*"\${nl}failed") w=failed ;; esac
printf 'runcode-list %s\\n%s\\nruncode-end %s %s\\n' "$K" "$r" "$K" "$w"
`;
