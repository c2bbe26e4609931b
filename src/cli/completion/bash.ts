import type { Flag, Tree, Words } from "./tree.ts";

/** For bash 3.2 (macOS) and later; without the bash-completion package. */
export function bashScript({ globals, commands }: Tree): string {
  const values = (flags: readonly Flag[]): string[] =>
    flags.flatMap((flag) =>
      flag.value ? [`      ${spellings(flag).join("|")}) ${answer(flag.value)}; return ;;`] : [],
    );
  const takers = globals.filter(({ value }) => value).flatMap(spellings);
  return `# bash completion for runcode: eval "$(runcode completion bash)"
_runcode_words() { COMPREPLY=($(compgen -W "$1" -- "$current")); }
_runcode_workspaces() { _runcode_words "$(runcode completion workspaces 2>/dev/null)"; }
_runcode_files() { COMPREPLY=(); compopt -o default 2>/dev/null; }
_runcode() {
  local current="\${COMP_WORDS[COMP_CWORD]}" previous="\${COMP_WORDS[COMP_CWORD-1]}" command="" i
  COMPREPLY=()
  for ((i = 1; i < COMP_CWORD; i++)); do
    case "\${COMP_WORDS[i]}" in
      --) _runcode_files; return ;;
      ${takers.join("|")}) [ -n "$command" ] || i=$((i + 1)) ;;
      -*) ;;
      *) [ -n "$command" ] || command="\${COMP_WORDS[i]}" ;;
    esac
  done
  case "$previous" in
${values(globals).join("\n")}
  esac
  case "$command" in
    "")
      case "$current" in
        -*) _runcode_words "${globals.flatMap(spellings).join(" ")}" ;;
        *) _runcode_words "${commands.map(({ name }) => name).join(" ")}" ;;
      esac ;;
${commands
  .map(
    ({ name, flags, words }) => `    ${name})
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

function answer(words: Words): string {
  if (words.kind === "choices") return `_runcode_words "${words.choices.join(" ")}"`;
  if (words.kind === "workspace") return "_runcode_workspaces";
  return words.kind === "files" ? "_runcode_files" : ":";
}
