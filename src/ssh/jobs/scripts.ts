// What runs on the workspace for jobs: POSIX sh and what coreutils and busybox both have; nothing of ours is installed there.
//
// A job is a directory ~/.runcode/jobs/<id> (0700) with plain files:
//   about    its supervisor (pid, start time, boot), when it began, its time limit; the directory; the command as text
//   process  the command's own pid, start time, and whether it leads a session
//   stdout.1<offset>, stderr.1<offset>  pieces of the streams, each named for the offset of its first byte
//   stdout.cut  something of that stream was let go;  stdout.end  it has ended
//   by       what ended the job, where that was not the command itself: kill, timeout
//   end      the exit code and when; it is written last
//   run      the supervisor's script
// A directory gets its name only once its supervisor runs: a name that is not there is a job that was never begun.
//
// A script answers in sections, each led by a line of its own with a key that is made anew for every question, so that neither what
// a start-up file prints nor what a job wrote can be taken for one. The last is `done` or `failed`.

/** Fifteen digits after a leading 1: names sort as numbers do, and no shell takes them for octal. */
const DIGITS = "[0-9]".repeat(15);
const BASE = "1000000000000000";
const ID = "[0-9a-f]".repeat(16);

/** A piece is closed once it has reached this; the one dd that fills it may overshoot by DD_BLOCK × DD_COUNT. In bytes. */
const PIECE = 1024 * 1024;
const DD_BLOCK = 4096;
const DD_COUNT = 64;
/** Beside the first piece, which stays. */
const LAST_PIECES = 9;

/** What is certain to be kept of each stream: its beginning and its end; and what is never exceeded. In bytes. */
export const KEPT = {
  head: PIECE,
  tail: (LAST_PIECES - 1) * PIECE,
  most: (LAST_PIECES + 1) * (PIECE + DD_BLOCK * DD_COUNT),
} as const;
/** Of jobs that have ended, the last so many stay, and not more than this altogether. */
export const KEPT_JOBS = { count: 50, kilobytes: 256 * 1024 } as const;
/** How long a job may take to end after a polite signal when its time is up. In seconds. */
const GRACE_SECONDS = 5;

const LIBRARY = `
jobs=$HOME/.runcode/jobs
say() { printf '\\nruncode-%s %s %s\\n' "$key" "$1" "$2"; }
fail() { say failed "$1 $2"; exit 0; }
nap() { sleep 0.2 2>/dev/null || sleep 1; }
line() { L=; [ -f "$1" ] && [ ! -L "$1" ] && { IFS= read -r L <"$1"; } 2>/dev/null; }
stat_of() {
  S= G= X= T=
  { read -r s <"/proc/$1/stat"; } 2>/dev/null || return 1
  set -- \${s##*) }
  S=$1 G=$3 X=$4 T=\${20}
}
alive() {
  case $1 in '' | *[!0-9]*) return 1 ;; esac
  if [ -r /proc/self/stat ]; then stat_of "$1" && [ "$S" != Z ] && [ "$T" = "$2" ]
  else kill -0 "$1" 2>/dev/null
  fi
}
line /proc/sys/kernel/random/boot_id
boot=\${L:-none}/$(readlink /proc/self/ns/pid 2>/dev/null)
# The processes of the job in $d: marked in their environment, or in the session that the command leads. While a session has a member, no other
# process is given its leader's number.
members() {
  M=
  P= PT= LEADS=
  { read -r P PT LEADS <"$d/process"; } 2>/dev/null
  if [ ! -r /proc/self/stat ]; then
    alive "$P" && M=$P
    return
  fi
  for f in $(grep -ls -- "RUNCODE_JOB_ID=\${d##*/}" /proc/[0-9]*/environ); do
    f=\${f#/proc/}
    M="$M \${f%/environ}"
  done
  [ "$LEADS" = leads ] || return
  if stat_of "$P" && [ "$T" != "$PT" ]; then return; fi
  for f in /proc/[0-9]*/stat; do
    f=\${f#/proc/}
    f=\${f%/stat}
    if stat_of "$f" && [ "$X" = "$P" ] && [ "$S" != Z ]; then M="$M $f"; fi
  done
}
signal() { for p in $M; do kill -s "$1" "$p"; done 2>/dev/null; }
remain() {
  for p in $M; do
    if [ ! -r /proc/self/stat ]; then kill -0 "$p" 2>/dev/null && return 0
    elif stat_of "$p" && [ "$S" != Z ]; then return 0
    fi
  done
  return 1
}
# A signal and how many seconds until KILL.
finish() {
  members
  signal "$1"
  signal CONT
  i=0
  while [ "$i" -lt $(($2 * 5)) ] && remain; do
    nap
    i=$((i + 1))
  done
  i=0
  while members; [ -n "$M" ] && [ "$i" -lt 20 ]; do
    signal KILL
    nap
    i=$((i + 1))
  done
}
`;

/** What `look` learns of the job in $1, and `tell` says. */
const LOOK = `
ended() {
  [ -f "$d/end" ] || return 1
  { read -r CODE ENDED L <"$d/end"; } 2>/dev/null
  STATE=exited
}
look() {
  d=$1 STATE=lost CODE=- ENDED=- BY=- CWD= COMMAND= P= PT= LEADS=
  [ -f "$d/about" ] && [ ! -L "$d/about" ] || return 1
  { read -r SUP SUPT BOOT BEGUN LIMIT; IFS= read -r CWD; IFS= read -r COMMAND; } 2>/dev/null <"$d/about"
  if ! ended; then
    { read -r P PT LEADS <"$d/process"; } 2>/dev/null
    if [ "$BOOT" = "$boot" ] && { alive "$SUP" "$SUPT" || alive "$P" "$PT"; }; then STATE=running
    else ended
    fi
  fi
  line "$d/by" && BY=$L
  return 0
}
# The length of the stream $1 of $d, what was let go included.
length() {
  N=0
  for f in "$d/$1".1${DIGITS}; do :; done
  if [ -f "$f" ] && [ ! -L "$f" ]; then N=$((\${f##*.} - ${BASE} + $(wc -c <"$f"))); fi
}
tell() {
  length stdout
  O=$N
  length stderr
  oc=0 ec=0
  [ ! -e "$d/stdout.cut" ] || oc=1
  [ ! -e "$d/stderr.cut" ] || ec=1
  say job "$(printf '%s\\t' "\${d##*/}" "$STATE" "$CODE" "$BY" "$BEGUN" "$ENDED" "$LIMIT" "$O" "$N" "$oc" "$ec" "$CWD"; printf %s "$COMMAND")"
}
# The job that $1 is the beginning of.
find_job() {
  found=
  for d in "$jobs/$1"*; do
    case \${d##*/} in ${ID}) ;; *) continue ;; esac
    [ -f "$d/about" ] && [ ! -L "$d" ] || continue
    [ -z "$found" ] || fail ambiguous "$1"
    found=$d
  done
  [ -n "$found" ] || fail unknown "$1"
  d=$found
}
# Looks until the job in $d has ended, $1 fifths of a second at most.
await_end() {
  n=$1
  while look "$d" && [ "$STATE" = running ] && [ "$n" -gt 0 ]; do
    nap
    n=$((n - 1))
  done
}
`;

/** Jobs that have ended are let go by age and size; a running one never, nor the one that just ended: ls may know whole seconds only. */
const PRUNE = `
weigh() { size=$((size + $(du -sk "$1" | cut -f 1))); }
prune() {
  n=1 size=0
  weigh "$jobs/$id"
  for name in $(ls -1t "$jobs"); do
    case $name in "$id") continue ;; ${ID}) ;; *) continue ;; esac
    look "$jobs/$name" || continue
    [ "$STATE" != running ] || continue
    n=$((n + 1))
    weigh "$d"
    if [ "$n" -gt ${KEPT_JOBS.count} ] || [ "$size" -gt ${KEPT_JOBS.kilobytes} ]; then rm -rf -- "$d"; fi
  done
}
`;

/**
 * Becomes the command. $1 the job's directory, $2 how many variables follow, then those, then the words. It records itself
 * first: what it is after exec has the same pid.
 */
const BEGIN = `
{ read -r s </proc/$$/stat; } 2>/dev/null
d=$1 n=$2
shift 2
leads=no
x() { [ "$4" != $$ ] || leads=leads; T=\${20}; }
x \${s##*) }
echo "$$ \${T:--} $leads" >"$d/process"
while [ "$n" -gt 0 ]; do export "$1"; shift; n=$((n - 1)); done
[ $# -gt 1 ] || set -- "\${SHELL:-/bin/sh}" -c "$1"
case $1 in -*) "$@" ;; *) exec "$@" ;; esac
`;

/**
 * Lives as long as the command, in a session of its own: records the job, keeps its output within bounds, and at last its exit code.
 * $1 the directory that START made, $2 the id, $3 the key, $4 the time limit in seconds or 0, $5 the command as text, $6 the script BEGIN,
 * $7 how many variables follow, then those, then the words.
 */
const SUPERVISE = `
new=$1 id=$2 key=$3 limit=$4 text=$5 begin=$6
shift 6
${LIBRARY}${LOOK}${PRUNE}
trap : HUP INT QUIT TERM
# dd reads what is there and never more than it writes, which head does not promise. A stream that cannot be written is read on, so that
# the command is not held up.
keep() {
  trap '' HUP INT QUIT TERM
  at=${BASE} before=0
  file=$d/$1.$at
  while dd bs=${DD_BLOCK} count=${DD_COUNT} >>"$file" 2>/dev/null; do
    size=$(($(wc -c <"$file")))
    if [ "$size" -le "$before" ]; then
      : >"$d/$1.end"
      return
    fi
    before=$size
    [ "$size" -ge ${PIECE} ] || continue
    at=$((at + size)) before=0
    file=$d/$1.$at
    stream=$1
    set -- "$d/$1".1${DIGITS}
    shift
    while [ $# -ge ${LAST_PIECES} ]; do
      : >"$d/$stream.cut"
      rm -f -- "$1"
      shift
    done
    set -- "$stream"
  done
  : >"$d/$1.cut"
  cat >/dev/null
  : >"$d/$1.end"
}
stat_of $$
d=$jobs/$id
# Room for the exit code is taken now, when the disk has some.
e=$( { printf '%s %s %s %s %s\\n%s\\n%s\\n' $$ "\${T:--}" "$boot" "$(date +%s)" "$limit" "$(printf %s "$PWD" | tr '\\n\\t' '  ' | cut -c 1-4096)" "$text" >"$new/about" &&
  printf '%-60s\\n' - >"$new/last" && mkfifo "$new/o" "$new/e" && mv "$new" "$d"; } 2>&1) || { rm -rf -- "$new"; fail io "$e"; }
say done
# Before anything is started: a shell keeps copies of what it redirects, and whoever holds the channel's pipes keeps the channel open.
exec </dev/null >/dev/null 2>&1
keep stdout <"$d/o" &
keep stderr <"$d/e" &
input=/dev/null
[ ! -f "$d/stdin" ] || input=$d/stdin
watch=
if [ "$limit" -gt 0 ]; then
  (
    trap 'kill "$s"; exit' TERM
    sleep "$limit" &
    s=$!
    wait "$s"
    [ -f "$d/by" ] || echo timeout >"$d/by"
    finish TERM ${GRACE_SECONDS}
  ) &
  watch=$!
fi
(
  exec <"$input" >"$d/o" 2>"$d/e"
  RUNCODE_JOB_ID=$id
  export RUNCODE_JOB_ID
  # It stands in the foreground, since a shell makes what stands in the background deaf to INT.
  if command -v setsid >/dev/null; then exec setsid /bin/sh -c "$begin" sh "$d" "$@"
  else exec /bin/sh -c "$begin" sh "$d" "$@"
  fi
)
code=$?
if [ -n "$watch" ]; then
  [ -f "$d/by" ] || kill "$watch"
  wait "$watch"
fi
i=0
until [ -e "$d/stdout.end" ] && [ -e "$d/stderr.end" ] || [ "$i" -ge 10 ]; do
  nap
  i=$((i + 1))
done
rm -f -- "$d/o" "$d/e" "$d/stdin"
printf '%s %s ' "$code" "$(date +%s)" 1<>"$d/last"
mv "$d/last" "$d/end"
prune
`;

/**
 * Starts a job. $1 key, $2 id, $3 how many bytes stdin has, or -1, $4 the supervisor's script; the rest is the supervisor's from its $4 on. What
 * is begun here answers from the supervisor's own mouth.
 */
export const START = `
key=$1 id=$2 input=$3 run=$4
shift 4
${LIBRARY}
unset RUNCODE_EXEC_ID RUNCODE_JOB_ID
new=$jobs/.new-$id
for dir in "$HOME/.runcode" "$jobs"; do
  [ -d "$dir" ] || e=$(mkdir -m 700 -- "$dir" 2>&1) || [ -d "$dir" ] || fail io "$e"
done
find "$jobs" -name '.new-*' -prune -mtime +0 -exec rm -rf {} + 2>/dev/null
[ ! -e "$jobs/$id" ] || fail exists
trap 'rm -rf -- "$new"; exit 1' HUP INT TERM
e=$(mkdir -m 700 -- "$new" 2>&1) || fail io "$e"
e=$( { printf %s "$run" >"$new/run"; } 2>&1) || { rm -rf -- "$new"; fail io "$e"; }
if [ "$input" -ge 0 ]; then
  e=$( { cat >"$new/stdin"; } 2>&1) || { rm -rf -- "$new"; fail io "$e"; }
  if [ $(($(wc -c <"$new/stdin"))) -ne "$input" ]; then
    rm -rf -- "$new"
    fail cut
  fi
fi
set -- "$new/run" "$new" "$id" "$key" "$@"
# A client that goes away now finds a job that is about to begin. What is ignored stays so in the supervisor and in the command, as nohup has it;
# what is caught would end the one before it can catch it itself.
trap '' HUP
trap - INT TERM
# A process that leads its group is not given a session of its own in place: setsid forks then and leaves, which is the one way out of a shell
# that makes nothing deaf to INT.
stat_of $$
if command -v setsid >/dev/null; then
  [ "$G" != $$ ] || exec setsid /bin/sh "$@"
  setsid /bin/sh "$@" &
else /bin/sh "$@" &
fi
`;

/** $1 key. Says each job. */
export const LIST = `
key=$1
${LIBRARY}${LOOK}
for d in "$jobs"/${ID}; do
  [ ! -L "$d" ] && look "$d" && tell
done
say done
`;

/** $1 key, $2 the beginning of an id, $3 for how many fifths of a second to wait for the job's end. Says the job. */
export const WAIT = `
key=$1
${LIBRARY}${LOOK}
find_job "$2"
await_end "$3"
tell
say done
`;

/**
 * $1 key, $2 the beginning of an id, $3 for how many fifths of a second to wait for something new, $4 how many bytes of each stream at most; $5 and
 * $6 from where in stdout and stderr: an offset, `-n` for the last n lines, or `x` for not at all. Says the job, as it was before the
 * streams were read, and of each stream where what follows begins. It is without a gap, and may be less than there is.
 */
export const LOGS = `
key=$1
${LIBRARY}${LOOK}
find_job "$2"
n=$3 most=$4 o=$5 e=$6
# The offset from which $2 lines are left of the stream $1, in what is kept without a gap up to its end.
last_lines() {
  stream=$1 lines=$2 to=-1
  set --
  for f in "$d/$stream".1${DIGITS}; do
    [ -f "$f" ] && [ ! -L "$f" ] || continue
    b=$((\${f##*.} - ${BASE}))
    [ "$b" -eq "$to" ] || { set --; from=$b; }
    to=$((b + $(wc -c <"$f")))
    set -- "$@" "$f"
  done
  at=0
  [ $# -eq 0 ] || at=$((to - $(cat -- "$@" | head -c $((to - from)) | tail -n "$lines" | wc -c)))
}
case $o in -*) last_lines stdout "\${o#-}"; o=$at ;; esac
case $e in -*) last_lines stderr "\${e#-}"; e=$at ;; esac
new() {
  [ "$2" != x ] && length "$1" && [ "$N" -gt "$2" ]
}
while look "$d" && [ "$STATE" = running ] && [ "$n" -gt 0 ] && ! new stdout "$o" && ! new stderr "$e"; do
  nap
  n=$((n - 1))
done
emit() {
  stream=$1 at=$2 to=-1 skip=0
  set --
  for f in "$d/$stream".1${DIGITS}; do
    [ -f "$f" ] && [ ! -L "$f" ] || continue
    b=$((\${f##*.} - ${BASE}))
    end=$((b + $(wc -c <"$f")))
    if [ "$to" -lt 0 ]; then
      [ "$end" -gt "$at" ] || continue
      [ "$at" -ge "$b" ] || at=$b
      skip=$((at - b))
    else
      [ "$b" -eq "$to" ] && [ $((to - at)) -lt "$most" ] || break
    fi
    to=$end
    set -- "$@" "$f"
  done
  if [ "$to" -lt 0 ]; then
    length "$stream"
    [ "$at" -le "$N" ] || at=$N
  fi
  say "$stream" "$at"
  # A piece that went away meanwhile ends it: what follows would stand at the wrong offset.
  for f do
    tail -c +$((skip + 1)) "$f" 2>/dev/null || break
    skip=0
  done | head -c "$most"
}
tell
[ "$o" = x ] || emit stdout "$o"
[ "$e" = x ] || emit stderr "$e"
say done
`;

/** $1 key, $2 the beginning of an id, $3 a signal's name, $4 how many seconds until KILL. Ends what is there of the job and says it. */
export const KILL = `
key=$1
${LIBRARY}${LOOK}
find_job "$2"
look "$d"
if [ "$BOOT" = "$boot" ]; then
  [ "$STATE" != running ] || [ -f "$d/by" ] || echo kill >"$d/by"
  finish "$3" "$4"
  await_end 25
fi
tell
say done
`;

/** $1 key, $2… beginnings of ids, or none for all that have ended. Says each job that it removed; none where one of them runs. */
export const REMOVE = `
key=$1
shift
${LIBRARY}${LOOK}
names=
if [ $# -eq 0 ]; then
  for d in "$jobs"/${ID}; do
    [ ! -L "$d" ] && look "$d" && [ "$STATE" != running ] && names="$names \${d##*/}"
  done
fi
for name do
  find_job "$name"
  look "$d"
  [ "$STATE" != running ] || fail running "\${d##*/}"
  case "$names " in *" \${d##*/} "*) ;; *) names="$names \${d##*/}" ;; esac
done
for name in $names; do
  look "$jobs/$name"
  tell
  e=$(rm -rf -- "$d" 2>&1) || fail io "$e"
done
say done
`;

/** What START passes on: the supervisor's script and what it needs before the variables and the words. */
export { SUPERVISE, BEGIN };
