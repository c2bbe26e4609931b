// Which lines of the person's configuration ssh took into account, from its own debug output: it names each file that it
// reads, each Host line that matched, and for each Match line, in order, whether it did.

export interface ActiveBlock {
  readonly file: string;
  readonly lines: readonly { readonly number: number; readonly keyword: string; readonly value: string }[];
}

/** Takes what `ssh -vvv -G` wrote to stderr, and how to read a file; gives the blocks that applied, in order of reading. */
export async function activeBlocks(
  debug: string,
  read: (file: string) => Promise<string>,
): Promise<readonly ActiveBlock[]> {
  const files: string[] = [];
  const hosts = new Set<string>();
  const refused = new Set<string>();
  let match: string | null = null;
  for (const line of debug.split(/\r?\n/)) {
    const reading = /^debug1: Reading configuration data (.+)$/.exec(line);
    if (reading?.[1] !== undefined && !files.includes(reading[1])) files.push(reading[1]);
    const host = /^debug1: (.+) line (\d+): Applying options for /.exec(line);
    if (host) hosts.add(`${host[1]}:${host[2]}`);
    if (line.startsWith("debug2: checking match for ")) match = null;
    const criterion = /^debug\d: (.+) line (\d+): (?:not )?matched /.exec(line);
    if (criterion) match = `${criterion[1]}:${criterion[2]}`;
    if (line.startsWith("debug2: match not found") && match !== null) refused.add(match);
  }
  const texts = await Promise.all(files.map(async (file) => [file, await read(file)] as const));
  return texts.flatMap(([file, text]) => blocksOf(file, text, hosts, refused));
}

function blocksOf(file: string, text: string, hosts: ReadonlySet<string>, refused: ReadonlySet<string>): ActiveBlock[] {
  let current: ActiveBlock["lines"][number][] = [];
  const active = [{ file, lines: current }];
  for (const [i, raw] of text.split("\n").entries()) {
    const words = /^\s*([A-Za-z][A-Za-z0-9]*)(?:\s*=\s*|\s+)(.*?)\s*$/.exec(raw);
    if (!words) continue;
    const [keyword, value] = [(words[1] ?? "").toLowerCase(), words[2] ?? ""];
    const place = `${file}:${i + 1}`;
    if (keyword === "host" || keyword === "match") {
      current = [];
      if (keyword === "host" ? hosts.has(place) : !refused.has(place)) active.push({ file, lines: current });
    } else current.push({ number: i + 1, keyword, value });
  }
  return active;
}

/** What else a person may have written for an option, besides its own name: ssh_config(5) and its deprecated keywords. */
const SAME: Readonly<Record<string, readonly string[]>> = {
  proxycommand: ["proxyjump"],
  proxyjump: ["proxycommand"],
  kbdinteractiveauthentication: ["challengeresponseauthentication", "skeyauthentication"],
};

/** The line that said `value` for an option; where none says just that, the first that says anything for it. */
export function linesSaying(
  blocks: readonly ActiveBlock[],
  option: string,
  value: string | null,
): { readonly file: string; readonly line: number } | null {
  const keywords = [option, ...(SAME[option] ?? [])];
  const candidates = blocks.flatMap(({ file, lines }) =>
    lines
      .filter(({ keyword, value }) => keywords.includes(keyword) && !ours(keyword, value))
      .map((line) => ({ file, line: line.number, value: plain(line.value) })),
  );
  const exact = candidates.find((each) => value !== null && each.value === plain(value));
  const found = exact ?? candidates.find(({ file }) => !/[\\/]runcode\.conf$/.test(file)) ?? null;
  return found && { file: found.file, line: found.line };
}

/** Whether only an alias of ours says such a thing. */
function ours(keyword: string, value: string): boolean {
  return keyword === "proxycommand" && / proxy \d+$/.test(value);
}

/** `ssh -G` prints values without quotes, with `true` for yes and a space where a forward has brackets. */
function plain(value: string): string {
  const bare = value
    .replaceAll(/["[\]]/g, "")
    .trim()
    .toLowerCase();
  return bare === "yes" ? "true" : bare === "no" ? "false" : bare;
}
