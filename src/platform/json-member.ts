// Changing one member of a JSON object that somebody else wrote and formatted: all other text stays as it is.

interface Member {
  readonly key: string;
  /** From the key's first quote to the end of its value. */
  readonly start: number;
  readonly valueStart: number;
  readonly stop: number;
}

/** The value of a member as it is written, or null. The text must be a JSON object; the caller has parsed it. */
export function memberText(text: string, key: string): string | null {
  const found = membersOf(text).findLast((member) => member.key === key);
  return found ? text.slice(found.valueStart, found.stop) : null;
}

/** The text with the member set; a new one goes last, indented as the others are. */
export function withMember(text: string, key: string, value: string): string {
  const members = membersOf(text);
  const found = members.findLast((member) => member.key === key);
  if (found) return text.slice(0, found.valueStart) + value + text.slice(found.stop);
  const last = members.at(-1);
  const written = `${JSON.stringify(key)}: ${value}`;
  if (last) return `${text.slice(0, last.stop)},${gap(text, last)}${written}${text.slice(last.stop)}`;
  const brace = text.indexOf("{");
  return `${text.slice(0, brace)}{\n  ${written}\n}${text.slice(text.lastIndexOf("}") + 1)}`;
}

/** The text without the member: the reverse of `withMember` for one that was not there. */
export function withoutMember(text: string, key: string): string {
  const members = membersOf(text);
  const i = members.findLastIndex((member) => member.key === key);
  const found = members[i];
  if (!found) return text;
  const [before, after] = [members[i - 1], members[i + 1]];
  if (before) return text.slice(0, before.stop) + text.slice(found.stop);
  if (after) return text.slice(0, found.start) + text.slice(after.start);
  return `${text.slice(0, text.indexOf("{"))}{}${text.slice(text.lastIndexOf("}") + 1)}`;
}

/** The white space in front of a member. */
function gap(text: string, { start }: Member): string {
  const space = /\s*$/.exec(text.slice(0, start))?.[0] ?? "";
  return space === "" ? " " : space;
}

function membersOf(text: string): readonly Member[] {
  const members: Member[] = [];
  let depth = 0;
  let start = -1;
  let key: string | null = null;
  let valueStart = -1;
  let valueStop = -1;
  const finish = (): void => {
    if (key !== null && valueStart >= 0) members.push({ key, start, valueStart, stop: valueStop });
    start = -1;
    key = null;
    valueStart = -1;
  };
  for (let i = 0; i < text.length; i++) {
    const char = text[i] as string;
    if (/\s/.test(char)) continue;
    let stop = i + 1;
    if (char === '"')
      while (text[stop - 1] !== undefined && !(stop - 1 > i && text[stop - 1] === '"'))
        stop += text[stop - 1] === "\\" ? 2 : 1;
    if (depth === 1 && char === "}") finish();
    else if (depth === 1 && char === ",") finish();
    else if (depth === 1 && char === ":" && valueStart < 0 && key === null)
      key = JSON.parse(text.slice(start, valueStop)) as string;
    else {
      if (depth === 1 && start < 0) start = i;
      if (depth === 1 && key !== null && valueStart < 0) valueStart = i;
      if (depth >= 1) valueStop = stop;
    }
    if (char === "{" || char === "[") depth++;
    if (char === "}" || char === "]") depth--;
    i = stop - 1;
  }
  return members;
}
