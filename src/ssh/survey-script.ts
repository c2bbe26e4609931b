// What `context` runs on the workspace: POSIX sh and what every system has. It prints lines of a key, a tab and a value;
// survey.ts reads them. Whatever is missing there is left out.

/** Files that say what kind of project this is. */
export const MARKERS = [
  "package.json",
  "package-lock.json",
  "pnpm-lock.yaml",
  "yarn.lock",
  "bun.lock",
  "deno.json",
  "tsconfig.json",
  "pyproject.toml",
  "requirements.txt",
  "uv.lock",
  "poetry.lock",
  "Pipfile",
  "Cargo.toml",
  "go.mod",
  "pom.xml",
  "build.gradle",
  "build.gradle.kts",
  "Gemfile",
  "composer.json",
  "mix.exs",
  "CMakeLists.txt",
  "Makefile",
  "justfile",
  "Dockerfile",
  "docker-compose.yml",
  "compose.yaml",
  ".devcontainer",
  ".github",
  ".gitlab-ci.yml",
  "AGENTS.md",
  "CLAUDE.md",
  "README.md",
] as const;

/** Tools whose versions are asked for, and how. */
export const TOOLS = {
  git: "--version",
  node: "--version",
  npm: "--version",
  bun: "--version",
  deno: "--version",
  python3: "--version",
  uv: "--version",
  go: "version",
  cargo: "--version",
  rustc: "--version",
  java: "--version",
  ruby: "--version",
  php: "--version",
  gcc: "--version",
  make: "--version",
  cmake: "--version",
  docker: "--version",
} as const;

/** Seconds for one tool; they are asked at the same time. */
const TOOL_SECONDS = 3;

export const SURVEY = `
export LC_ALL=C GIT_OPTIONAL_LOCKS=0 GIT_TERMINAL_PROMPT=0
say() { printf '%s\\t%s\\n' "$1" "$(printf %s "$2" | tr '\\n\\t' '  ' | cut -c 1-1000)"; }
within() { if command -v timeout >/dev/null 2>&1; then timeout ${TOOL_SECONDS} "$@"; else "$@"; fi; }
say cwd "$(pwd)"
say user "$(id -un 2>/dev/null)"
say shell "$SHELL"
say kernel "$(uname -sr 2>/dev/null)"
say arch "$(uname -m 2>/dev/null)"
if [ -r /etc/os-release ]; then say os "$(sed -n 's/^PRETTY_NAME=//p' /etc/os-release | head -n 1)"
elif command -v sw_vers >/dev/null 2>&1; then say os "$(sw_vers -productName) $(sw_vers -productVersion)"; fi
for f in ${MARKERS.join(" ")}; do [ -e "$f" ] && say marker "$f"; done
if within git rev-parse --is-inside-work-tree >/dev/null 2>&1; then
  say git.branch "$(git symbolic-ref --short -q HEAD)"
  say git.head "$(git rev-parse --short -q --verify HEAD)"
  say git.dirty "$(within git status --porcelain 2>/dev/null | wc -l)"
  say git.remote "$(git remote get-url origin 2>/dev/null)"
fi
say disk "$(df -Pk . 2>/dev/null | tail -n 1)"
say cpus "$(nproc 2>/dev/null || getconf _NPROCESSORS_ONLN 2>/dev/null)"
[ -r /proc/loadavg ] && read -r load rest </proc/loadavg && say load "$load"
if [ -r /proc/meminfo ]; then
  while read -r key value unit; do case $key in
    MemTotal:) say memory.total "$value";; MemAvailable:) say memory.available "$value";;
  esac; done </proc/meminfo
  [ -r /sys/fs/cgroup/memory.max ] && say memory.limit "$(cat /sys/fs/cgroup/memory.max)"
elif command -v sysctl >/dev/null 2>&1; then say memory.bytes "$(sysctl -n hw.memsize 2>/dev/null)"; fi
for f in /proc/net/tcp /proc/net/tcp6; do
  [ -r "$f" ] && while read -r n local remote state rest; do [ "$state" = 0A ] && printf 'listen\\t%s\\n' "$local"; done <"$f" | head -n 200
done
${Object.entries(TOOLS)
  .map(
    ([tool, how]) =>
      `(v=$(within ${tool} ${how} 2>/dev/null </dev/null | head -n 1); [ -n "$v" ] && say tool.${tool} "$v") &`,
  )
  .join("\n")}
wait
`;
