import { byLength, type Flag, type Shape, type Tree, type Words } from "./tree.ts";

/** For zsh's completion system, as an autoloaded `_runcode` or evaluated in .zshrc after compinit. */
export function zshScript(tree: Tree): string {
  const { globals } = tree;
  const [one, two] = byLength(tree);
  return `#compdef runcode
# zsh completion for runcode: runcode completion zsh > "\${fpath[1]}/_runcode"
# A message instead, which an action of one space gives, keeps zsh from offering the flags.
_runcode_any() { return 1 }
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
${one.map(({ name, summary }) => `        ${quote(`${name}:${summary.replaceAll(":", "\\:")}`)}`).join("\n")}
      )
      _describe command commands ;;
    words)
      case $words[1] in
${one.map((shape) => branch(shape, two)).join("\n")}
      esac ;;
  esac
}
if [ "$funcstack[1]" = "_runcode" ]; then _runcode "$@"; else compdef _runcode runcode; fi
`;
}

function branch(shape: Shape, two: readonly Shape[]): string {
  const further = two.filter(({ name }) => name.startsWith(`${shape.name} `));
  if (further.length === 0) return `        ${shape.name}) ${call(shape)} ;;`;
  const second = further.map(
    (each) => `          1${each.name.slice(shape.name.length + 1)}) shift words; ((CURRENT--)); ${call(each)} ;;`,
  );
  return `        ${shape.name}) case $((CURRENT > 2))$words[2] in
${second.join("\n")}
          *) ${call(shape)} ;;
        esac ;;`;
}

function call({ flags, words }: Shape): string {
  const own = flags.flatMap(specs).map((spec) => ` \\\n            ${spec}`);
  const rest = positionals(words).map((spec) => ` \\\n            ${quote(spec)}`);
  return `_arguments $globals${own.join("")}${rest.join("")}`;
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
  any: "_runcode_any",
} as const;

function action(words: Words): string {
  if (words.kind === "choices") return `(${words.choices.join(" ")})`;
  return ACTIONS[words.kind];
}

function quote(text: string): string {
  return `'${text.replaceAll("'", `'\\''`)}'`;
}
