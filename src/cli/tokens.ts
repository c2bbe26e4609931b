// argv split into options and other words, by the rules of node:util's parseArgs in its lenient form, to which a test holds it:
// loading node:util would take a tenth of the time that a short command has.

export interface Split {
  /** By the name after the dashes. */
  readonly [name: string]: { readonly value: boolean | "optional"; readonly short?: string };
}

export type Token =
  | { readonly kind: "positional"; readonly value: string }
  | { readonly kind: "option"; readonly name: string; readonly rawName: string; readonly value: string | undefined }
  | { readonly kind: "option-terminator" };

/** Takes the words and which options there are, each with whether it takes a value; gives what the words are, in order. */
export function tokens(words: readonly string[], options: Split): Token[] {
  const found: Token[] = [];
  const left = [...words];
  const byShort = (letter: string): string =>
    Object.keys(options).find((name) => options[name]?.short === letter) ?? letter;
  const takesValue = (name: string): boolean => Object.hasOwn(options, name) && options[name]?.value === true;
  const next = (name: string): string | undefined => {
    // What may be left out is not what begins as an option does; the value of another may look like one itself.
    const optional = Object.hasOwn(options, name) && options[name]?.value === "optional";
    if (optional) return /^(?!-)/.test(left[0] ?? "-") ? left.shift() : "";
    return takesValue(name) ? left.shift() : undefined;
  };
  const option = (name: string, rawName: string, value?: string): void => {
    found.push({ kind: "option", name, rawName, value: value ?? next(name) });
  };
  for (let word = left.shift(); word !== undefined; word = left.shift()) {
    if (word === "--") {
      found.push({ kind: "option-terminator" });
      for (const value of left.splice(0)) found.push({ kind: "positional", value });
    } else if (word.startsWith("--")) {
      const equals = word.indexOf("=", 3);
      if (equals < 0) option(word.slice(2), word);
      else option(word.slice(2, equals), word.slice(0, equals), word.slice(equals + 1));
    } else if (word.startsWith("-") && word.length > 1) {
      // A group of flags, of which the last may be an option with its value in the same word.
      for (let i = 1; i < word.length; i++) {
        const letter = word.charAt(i);
        const name = byShort(letter);
        if (takesValue(name) && i + 1 < word.length) {
          option(name, `-${letter}`, word.slice(i + 1));
          break;
        }
        option(name, `-${letter}`);
      }
    } else found.push({ kind: "positional", value: word });
  }
  return found;
}
