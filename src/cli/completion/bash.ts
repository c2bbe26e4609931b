import { byLength, type Flag, type Tree, type Words } from "./tree.ts";

/** For bash 3.2 (macOS) and later; without the bash-completion package. */
export function bashScript(tree: Tree): string {
  const { globals, commands } = tree;
  const [one, two] = byLength(tree);
  const values = (flags: readonly Flag[]): string[] =>
    flags.flatMap((flag) =>
      flag.value ? [`      ${spellings(flag).join("|")}) ${answer(flag.value)}; return ;;`] : [],
    );
  const takers = globals.filter(({ value }) => value).flatMap(spellings);
  return `# bash completion for runcode: eval "$(runcode completion bash)"
_runcode_words() { COMPREPLY=($(compgen -W "$1" -- "$current")); }
_runcode_workspaces() { _runcode_words "$(runcode completion workspaces 2>/dev/null)"; }
_runcode_files() { COMPREPLY=(); compopt -o default 2>/dev/null; }
# Names from the workspace are data: no word list is made of them, which bash would expand. Those with $ or \`, of which bash
# leaves a part unquoted in the line, are left out; and where this bash can't quote at all, all that want quotes.
_runcode_unquoted() {
  case $current in [\\"\\']*) typed=\${current:1} ;; *) typed=\${current//\\\\/} ;; esac
}
_runcode_remote() {
  local typed line quoting=1
  _runcode_unquoted
  compopt -o filenames -o nospace 2>/dev/null || quoting=
  while IFS= read -r line; do
    case $line in *[\\$\\\`]*) continue ;; esac
    if [ -z "$quoting" ]; then case $line in *[!A-Za-z0-9_./~+,:@%=-]*) continue ;; esac; fi
    COMPREPLY+=("$line")
  done < <(runcode completion paths -- "\${COMP_WORDS[@]:1:COMP_CWORD-1}" "$typed" 2>/dev/null)
}
_runcode_either() {
  local typed line
  case $previous in "$command"|-*) _runcode_files; return ;; esac
  _runcode_remote
  _runcode_unquoted
  while IFS= read -r line; do COMPREPLY+=("$line"); done < <(compgen -f -- "$typed")
}
_runcode() {
  local current="\${COMP_WORDS[COMP_CWORD]}" previous="\${COMP_WORDS[COMP_CWORD-1]}" command="" i
  COMPREPLY=()
  for ((i = 1; i < COMP_CWORD; i++)); do
    case "\${COMP_WORDS[i]}" in
      --) _runcode_files; return ;;
      ${takers.join("|")}) [ -n "$command" ] || i=$((i + 1)) ;;
      -*) ;;
      *) case "$command \${COMP_WORDS[i]}" in
        " "*) command="\${COMP_WORDS[i]}" ;;
        ${two.map(({ name }) => `"${name}"`).join("|")}) command="$command \${COMP_WORDS[i]}" ;;
      esac ;;
    esac
  done
  case "$previous" in
${values(globals).join("\n")}
  esac
  case "$command" in
    "")
      case "$current" in
        -*) _runcode_words "${globals.flatMap(spellings).join(" ")}" ;;
        *) _runcode_words "${one.map(({ name }) => name).join(" ")}" ;;
      esac ;;
${commands
  .map(
    ({ name, flags, words }) => `    "${name}")
      case "$previous" in
${values(flags).join("\n") || "      '') ;;"}
      esac
      case "$current" in
        -*) _runcode_words "${[...flags, ...globals].flatMap(spellings).join(" ")}" ;;
        *) ${answer(words)} ;;
      esac ;;`,
  )
  .join("\n")}
  esac
}
complete -F _runcode runcode
`;
}

function spellings({ long, short }: Flag): string[] {
  return short === null ? [long] : [long, short];
}

const ACTIONS = {
  workspace: "_runcode_workspaces",
  files: "_runcode_files",
  remote: "_runcode_remote",
  either: "_runcode_either",
  any: ":",
} as const;

function answer(words: Words): string {
  if (words.kind === "choices") return `_runcode_words "${words.choices.join(" ")}"`;
  return ACTIONS[words.kind];
}
