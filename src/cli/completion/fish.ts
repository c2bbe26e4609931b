import type { Flag, Tree, Words } from "./tree.ts";

export function fishScript({ globals, commands }: Tree): string {
  const names = commands.map(({ name }) => name).join(" ");
  return `# fish completion for runcode: runcode completion fish > ~/.config/fish/completions/runcode.fish
function __runcode_is
  set -l words (commandline -opc)
  for word in $words[2..-1]
    contains -- $word ${names}; and begin; test $word = $argv[1]; return; end
  end
  test -z "$argv[1]"
end
function __runcode_remote
  set -l words (commandline -opc)
  set -l typed (string unescape -- (commandline -ct) 2>/dev/null; or commandline -ct)
  runcode completion paths -- $words[2..-1] "$typed" 2>/dev/null
end
complete -c runcode -f
${globals.map((flag) => `complete -c runcode${flagWords(flag)}`).join("\n")}
${commands
  .map(({ name, summary, flags, words }) =>
    [
      `complete -c runcode -n '__runcode_is ""' -a ${name} -d ${quote(summary)}`,
      ...flags.map((flag) => `complete -c runcode -n '__runcode_is ${name}'${flagWords(flag)}`),
      ...(words.kind === "any" ? [] : [`complete -c runcode -n '__runcode_is ${name}'${wordsOf(words)}`]),
    ].join("\n"),
  )
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
