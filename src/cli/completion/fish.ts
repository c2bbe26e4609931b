import { byLength, type Flag, type Tree, type Words } from "./tree.ts";

export function fishScript(tree: Tree): string {
  const { globals, commands } = tree;
  const [one, two] = byLength(tree);
  return `# fish completion for runcode: runcode completion fish > ~/.config/fish/completions/runcode.fish
function __runcode_is
  set -l words (commandline -opc)
  set -l found ""
  for word in $words[2..-1]
    if test -n "$found"
      contains -- "$found $word" ${two.map(({ name }) => quote(name)).join(" ")}; and set found "$found $word"
    else if contains -- $word ${one.map(({ name }) => name).join(" ")}
      set found $word
    end
  end
  test "$found" = "$argv[1]"
end
function __runcode_remote
  set -l words (commandline -opc)
  set -l typed (string unescape -- (commandline -ct) 2>/dev/null; or commandline -ct)
  runcode completion paths -- $words[2..-1] "$typed" 2>/dev/null
end
complete -c runcode -f
${globals.map((flag) => `complete -c runcode${flagWords(flag)}`).join("\n")}
${one.map(({ name, summary }) => `complete -c runcode -n '__runcode_is ""' -a ${name} -d ${quote(summary)}`).join("\n")}
${commands
  .flatMap(({ name, flags, words }) => {
    const where = `complete -c runcode -n '__runcode_is "${name}"'`;
    return [
      ...flags.map((flag) => `${where}${flagWords(flag)}`),
      ...(words.kind === "any" ? [] : [`${where}${wordsOf(words)}`]),
    ];
  })
  .join("\n")}
`;
}

function flagWords({ long, short, summary, value }: Flag): string {
  const names = ` -l ${long.slice(2)}${short === null ? "" : ` -s ${short.slice(1)}`}`;
  return `${names} -d ${quote(summary)}${value ? ` ${value.kind === "files" ? "-r" : "-x"}${wordsOf(value)}` : ""}`;
}

const OFFERS = {
  workspace: " -a '(runcode completion workspaces 2>/dev/null)'",
  files: " -F",
  remote: " -a '(__runcode_remote)'",
  either: " -F -a '(__runcode_remote)'",
  any: "",
} as const;

function wordsOf(words: Words): string {
  if (words.kind === "choices") return ` -a ${quote(words.choices.join(" "))}`;
  return OFFERS[words.kind];
}

function quote(text: string): string {
  return `'${text.replaceAll("\\", "\\\\").replaceAll("'", "\\'")}'`;
}
