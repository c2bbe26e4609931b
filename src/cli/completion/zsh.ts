import type { Flag, Shape, Tree, Words } from "./tree.ts";

/** For zsh's completion system, as an autoloaded `_runcode` or evaluated in .zshrc after compinit. */
export function zshScript({ globals, commands }: Tree): string {
  return `#compdef runcode
# zsh completion for runcode: runcode completion zsh > "\${fpath[1]}/_runcode"
_runcode_workspaces() { local -a names; names=(\${(f)"$(runcode completion workspaces 2>/dev/null)"}); compadd -a names }
_runcode_remote() {
  local -a found dirs
  found=(\${(f)"$(runcode completion paths -- "\${(@Q)line_so_far}" "\${(Q)PREFIX}" 2>/dev/null)"})
  dirs=(\${(M)found:#*/}); found=(\${found:#*/})
  compadd -S '' -- $dirs; compadd -- $found
}
_runcode_either() { _alternative 'here:file here:_files' 'there:file on the workspace:_runcode_remote' }
_runcode() {
  local -a line_so_far; line_so_far=("\${(@)words[2,CURRENT-1]}")
  local curcontext="$curcontext" state line
  local -a globals
  globals=(
${globals
  .flatMap(specs)
  .map((spec) => `    ${spec}`)
  .join("\n")}
  )
  _arguments -C $globals '1: :->command' '*:: :->words'
  case $state in
    command)
      local -a commands
      commands=(
${commands.map(({ name, summary }) => `        ${quote(`${name}:${summary.replaceAll(":", "\\:")}`)}`).join("\n")}
      )
      _describe command commands ;;
    words)
      case $words[1] in
${commands.map(branch).join("\n")}
      esac ;;
  esac
}
if [ "$funcstack[1]" = "_runcode" ]; then _runcode "$@"; else compdef _runcode runcode; fi
`;
}

function branch({ name, flags, words }: Shape): string {
  const own = flags.flatMap(specs).map((spec) => ` \\\n            ${spec}`);
  return `        ${name}) _arguments $globals${own.join("")} \\\n            ${positionals(words).map(quote).join(" ")} ;;`;
}

function positionals(words: Words): string[] {
  const all = `*: :${action(words)}`;
  return words.kind === "either" ? [`1: :${ACTIONS.files}`, all] : [all];
}

function specs({ long, short, summary, value }: Flag): string[] {
  const text = summary.replaceAll(/[[\]\\:]/g, (char) => `\\${char}`);
  const tail = value ? `: :${action(value)}` : "";
  return [long, ...(short === null ? [] : [short])].map((flag) => quote(`${flag}[${text}]${tail}`));
}

const ACTIONS = {
  workspace: "_runcode_workspaces",
  files: "_files",
  remote: "_runcode_remote",
  either: "_runcode_either",
  any: " ",
} as const;

function action(words: Words): string {
  if (words.kind === "choices") return `(${words.choices.join(" ")})`;
  return ACTIONS[words.kind];
}

function quote(text: string): string {
  return `'${text.replaceAll("'", `'\\''`)}'`;
}
