// What this program is started with inside: an image's own variables may be meant for a Bun, a Node or a loader of its own, and
// would change how ours runs. They are put aside under other names, and what is started for the workspace has them back.

/**
 * No thread is made once it runs: where a workspace has used up its processes none can be had, and the engine of the language
 * ends the whole process for that. The first process would take the workspace with it.
 */
const OWN = { BUN_JSC_useConcurrentJIT: "0", BUN_JSC_useConcurrentGC: "0", BUN_JSC_numberOfGCMarkers: "1" } as const;

/** Variables that the runtime, the loader and the C library look at. */
const TELLING = /^((BUN|NODE|LD|MALLOC|MIMALLOC|JSC|WTF)_|GLIBC_TUNABLES$)/i;
/** With no value, or one that it does not know, the runtime does not start. */
const NEVER_EMPTY = /^BUN_JSC_/;
const ASIDE = "RUNCODE_ASIDE_";

/**
 * Takes the variables (`NAME=VALUE`) that a container has; gives those that an engine is to set for this program over them.
 * Docker takes away a name without a value, which Podman cannot: there it is empty, or stays where it may not be.
 */
export function ownEnvironment(given: readonly string[], kind: "docker" | "podman"): string[] {
  const names = given.map((variable) => variable.slice(0, variable.indexOf("=")));
  const telling = given.filter((_, at) => TELLING.test(names[at] ?? ""));
  const away = names.filter((name) => TELLING.test(name) && !Object.hasOwn(OWN, name));
  const gone = kind === "docker" ? away : away.filter((name) => !NEVER_EMPTY.test(name)).map((name) => `${name}=`);
  return [
    ...telling.map((variable) => ASIDE + variable),
    ...gone,
    ...Object.entries(OWN).map((pair) => pair.join("=")),
  ];
}

/** Takes the variables that a container has; gives the names of those that this program is started with all the same. */
export function tellingNames(given: readonly string[]): string[] {
  const names = given.flatMap((variable) => (/=./.test(variable) ? [variable.slice(0, variable.indexOf("="))] : []));
  return names.filter((name) => TELLING.test(name) && !Object.hasOwn(OWN, name));
}

/** Takes this program's own environment; gives the one for what is started for the workspace. */
export function theirEnvironment(own: Readonly<Record<string, string | undefined>>): Record<string, string> {
  const theirs: Record<string, string> = {};
  for (const [name, value] of Object.entries(own))
    if (value !== undefined && !TELLING.test(name))
      theirs[name.startsWith(ASIDE) ? name.slice(ASIDE.length) : name] = value;
  return theirs;
}
