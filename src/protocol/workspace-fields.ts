// What a workspace may be given besides its image: a command, an environment, labels. Everything is bounded here, once, for
// whoever sends it and for the server; no refusal repeats a value, which may be a secret.
import * as v from "valibot";

const COMMAND_WORDS = 256;
const COMMAND_LENGTH = 32 * 1024;
const VARIABLES = 256;
const VARIABLE_NAME = /^[A-Za-z_][A-Za-z0-9_]{0,127}$/;
const VALUE_LENGTH = 32 * 1024;
const ENVIRONMENT_LENGTH = 64 * 1024;
const LABELS = 64;
const LABEL_KEY = /^[A-Za-z0-9]([A-Za-z0-9._/-]{0,126}[A-Za-z0-9])?$/;
const LABEL_VALUE_LENGTH = 1024;
const LABELS_LENGTH = 16 * 1024;

/**
 * Variables that are the workspace's own: who it is, what its processes are found by, and what a shell would refuse to have
 * set, so that nothing could be started any more.
 */
const RESERVED_VARIABLE =
  /^(HOME|USER|LOGNAME|SHELL|UID|EUID|PPID|SHELLOPTS|BASHOPTS|BASH_VERSINFO|OPTIND|RUNCODE_(SANDBOX|EXEC_ID|JOB_ID|ENV_.*))$/;

/**
 * By these the server knows what is its own on an engine, the runtime API finds its runtimes, and the engines, Compose and
 * systemd know theirs; `traefik` and `caddy` would have a proxy on the engine's machine send somebody else's visitors here.
 * In lower case.
 */
export const RESERVED_LABELS = [
  ...["runcode", "openhands", "com.docker", "io.docker", "org.dockerproject", "io.podman", "io.containers"],
  ...["podman_systemd_unit", "traefik", "caddy", "com.centurylinklabs.watchtower"],
] as const;

/** A shell line for the workspace's own shell, or a program and its arguments. */
export const WorkspaceCommand = v.pipe(
  v.union([v.string(), v.array(v.string())], "expected a text or a list of texts"),
  v.check((command) => firstOf(command) !== "", "is empty"),
  v.check(
    (command) => command.length <= COMMAND_WORDS || typeof command === "string",
    `at most ${COMMAND_WORDS} words`,
  ),
  v.check((command) => lengthOf([command].flat()) <= COMMAND_LENGTH, `at most ${COMMAND_LENGTH} characters`),
  v.check((command) => ![command].flat().some(hasNul), "holds a NUL"),
);
export type WorkspaceCommand = v.InferOutput<typeof WorkspaceCommand>;

/** Set for every process of the workspace. */
export const WorkspaceEnvironment = textsWithout(environmentProblem);

/** Notes about the workspace; a container has them as its labels. */
export const WorkspaceLabels = textsWithout(labelsProblem);

type Texts = Readonly<Record<string, string>>;

/** Takes what says what is wrong with them; gives the schema of texts by name with which nothing is. */
function textsWithout(problemOf: (texts: Texts) => string | null) {
  return v.pipe(
    v.record(v.string(), v.string("expected texts")),
    v.rawCheck(({ dataset, addIssue }) => {
      const problem = dataset.typed ? problemOf(dataset.value) : null;
      if (problem !== null) addIssue({ message: problem });
    }),
  );
}

function environmentProblem(environment: Texts): string | null {
  const pairs = Object.entries(environment);
  if (pairs.length > VARIABLES) return `at most ${VARIABLES} variables`;
  for (const [name, value] of pairs) {
    if (!VARIABLE_NAME.test(name))
      return "a variable's name has letters, digits and underscores, at most 128, and does not start with a digit";
    if (RESERVED_VARIABLE.test(name)) return `${name} is the workspace's own and cannot be given`;
    if (hasNul(value)) return `${name} holds a NUL`;
    if (value.length > VALUE_LENGTH) return `${name} has more than ${VALUE_LENGTH} characters`;
  }
  return lengthOf(pairs.flat()) > ENVIRONMENT_LENGTH ? `at most ${ENVIRONMENT_LENGTH} characters in all` : null;
}

function labelsProblem(labels: Texts): string | null {
  const pairs = Object.entries(labels);
  if (pairs.length > LABELS) return `at most ${LABELS} labels`;
  for (const [key, value] of pairs) {
    if (!LABEL_KEY.test(key))
      return "a label's key has letters, digits, dots, dashes, underscores and slashes, at most 128, and a letter or digit at each end";
    if (isReserved(key))
      return `${key} is reserved: ${RESERVED_LABELS.join(", ")} and what is below them mean something to others`;
    // What lists labels shows them to a person.
    if (/[\u0000-\u001f\u007f-\u009f]/.test(value)) return `${key} holds a control character`;
    if (value.length > LABEL_VALUE_LENGTH) return `${key} has more than ${LABEL_VALUE_LENGTH} characters`;
  }
  return lengthOf(pairs.flat()) > LABELS_LENGTH ? `at most ${LABELS_LENGTH} characters in all` : null;
}

function isReserved(key: string): boolean {
  const lower = key.toLowerCase();
  return RESERVED_LABELS.some((own) => lower === own || [".", "_"].some((sign) => lower.startsWith(own + sign)));
}

const firstOf = (command: string | readonly string[]): string =>
  typeof command === "string" ? command.trim() : (command[0] ?? "");
const lengthOf = (texts: readonly string[]): number => texts.reduce((sum, { length }) => sum + length, 0);
const hasNul = (text: string): boolean => text.includes("\0");
