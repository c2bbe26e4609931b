// The runtime API, by which a container is started, paused, resumed and stopped: its payloads as the public contract has
// them, once, for the server that reads them, the client that writes them and the OpenAPI document made of them. The message
// of each schema is the name that pydantic has for that failure; src/server/runtime-api/validation.ts has the words.
import * as v from "valibot";

export const RUNTIME_API_HOST = "127.0.0.1";
export const RUNTIME_API_PORT = 8090;
export const RUNTIME_API_BASE = `http://${RUNTIME_API_HOST}:${RUNTIME_API_PORT}`;
/** On every container that was started through the API; the caller's own label of that name wins over its value. */
export const RUNTIME_LABEL = "openhands.runtime_id";
/** A request with more ports than this, or more volumes, is refused: an engine takes minutes for thousands, and does nothing else meanwhile. */
export const MOST_PORTS = 256;
export const MOST_VOLUMES = 256;
/** How long a runtime may take to end by itself when the caller says nothing. Below the 10 s that public clients wait for an answer. */
export const STOP_GRACE_SECONDS = 5;

export const text = v.string("string_type");
export const filled = v.pipe(text, v.minLength(1, "string_too_short"));
/** A JSON object of texts. Not `v.record`, which takes a list for an object whose names are numbers. */
export const strings = v.pipe(
  v.unknown(),
  v.metadata({ type: "object", additionalProperties: { type: "string" } }),
  v.rawTransform<unknown, Record<string, string>>(({ dataset, addIssue, NEVER }) => {
    const given = dataset.value;
    if (typeof given !== "object" || given === null || Array.isArray(given)) {
      addIssue({ message: "dict_type" });
      return NEVER;
    }
    const wrong = Object.entries(given).filter(([, value]) => typeof value !== "string");
    for (const [key, value] of wrong) {
      const path = [{ type: "object", origin: "value", input: given, key, value }] as never;
      addIssue({ message: "string_type", input: value, path });
    }
    return wrong.length > 0 ? NEVER : (given as Record<string, string>);
  }),
);

/** pydantic's lax integer: 80, 80.0 and "80" are one, true and "x" are none. */
export const integer = (minimum: number, maximum = Number.MAX_SAFE_INTEGER) =>
  v.pipe(
    v.unknown(),
    v.metadata({ type: "integer", minimum, ...(maximum < Number.MAX_SAFE_INTEGER ? { maximum } : {}) }),
    v.rawTransform<unknown, number>(({ dataset, addIssue, NEVER }) => {
      const given = dataset.value;
      if (typeof given === "number") return given;
      const digits = typeof given === "string" && /^\s*[+-]?\d+(\.0+)?\s*$/.test(given);
      if (digits && Number.isSafeInteger(Number(given))) return Number(given);
      addIssue({ message: typeof given === "string" ? "int_parsing" : "int_type" });
      return NEVER;
    }),
    v.integer("int_from_float"),
    v.minValue(minimum, "greater_than_equal"),
    v.maxValue(maximum, "less_than_equal"),
  );

/** pydantic's lax boolean: true, 1, "yes" and their like. */
const boolean = v.pipe(
  v.unknown(),
  v.metadata({ type: "boolean" }),
  v.rawTransform<unknown, boolean>(({ dataset, addIssue, NEVER }) => {
    const given = dataset.value;
    if (typeof given === "boolean") return given;
    const word = String(given).toLowerCase();
    const told = typeof given === "string" || Number.isInteger(given);
    if (told && YES.includes(word)) return true;
    if (told && NO.includes(word)) return false;
    addIssue({ message: told ? "bool_parsing" : "bool_type" });
    return NEVER;
  }),
);
const YES = ["true", "t", "yes", "y", "on", "1"];
const NO = ["false", "f", "no", "n", "off", "0"];

const port = integer(1, 65_535);

/** A field, with what the description of the API says of it. */
export const field = <const S extends v.GenericSchema>(schema: S, about: string) =>
  v.pipe(schema, v.description(about));

/** A port of the container's, published at one of the host's; without `host_port` the engine takes a free one. */
const PortBinding = v.object(
  {
    container_port: field(port, "Where its program listens."),
    host_port: field(
      v.nullish(port),
      "Where it is published; a free port of the engine's choice where it is not said.",
    ),
    protocol: field(v.optional(v.picklist(["tcp", "udp"], "literal_error"), "tcp"), "What travels there."),
  },
  "model_attributes_type",
);

const VolumeMount = v.object(
  {
    host_path: field(filled, "Absolute, below a directory that the server's operator allows."),
    container_path: field(filled, "Where it is mounted."),
    mode: field(v.optional(v.picklist(["rw", "ro"], "literal_error"), "rw"), "Whether it may write there."),
  },
  "model_attributes_type",
);

export const command = v.nullish(v.union([text, v.array(text, "list_type")]));

/** `POST /start`. What it does not name is ignored. */
export const StartRuntimeRequest = v.pipe(
  v.object(
    {
      image: field(
        filled,
        "What it is made of. It is pulled when the engine does not have it; without a tag, as :latest.",
      ),
      name: field(
        v.nullish(filled),
        "Its runtime_id and the container's name; made up where it is not said. Not one that begins with runcode-.",
      ),
      command: field(
        command,
        "In place of the image's own command. A text is split into words as a shell would, and read by none.",
      ),
      environment: field(v.nullish(strings), "Variables for its processes."),
      ports: field(
        v.nullish(v.pipe(v.array(PortBinding, "list_type"), v.maxLength(MOST_PORTS, "too_long"))),
        "What is published, at the address that this API listens on.",
      ),
      volumes: field(
        v.nullish(v.pipe(v.array(VolumeMount, "list_type"), v.maxLength(MOST_VOLUMES, "too_long"))),
        "Directories of the engine's machine that are mounted in it.",
      ),
      detach: field(v.optional(boolean, true), "Only true is there: nobody waits for a runtime to end."),
      auto_remove: field(v.optional(boolean, false), "Whether the container is removed when it ends."),
      labels: field(v.nullish(strings), "Labels of the container. Not those that begin with runcode."),
      restart_policy: field(
        v.nullish(strings),
        "What the engine does when it ends: Name is no, always, unless-stopped or on-failure; MaximumRetryCount, a number written as " +
          "a text, bounds on-failure.",
      ),
      network: field(
        v.nullish(text),
        "A network of the engine's that it is in; not the host's, and not another container's.",
      ),
    },
    "model_attributes_type",
  ),
  v.check(({ detach }) => detach, "value_error"),
);
export type StartRuntimeRequest = v.InferOutput<typeof StartRuntimeRequest>;

/** `POST /stop`, `/pause`, `/resume`. `timeout` is in seconds and speaks of stopping only. */
export const RuntimeActionRequest = v.object(
  {
    runtime_id: field(
      filled,
      "Its id, the id of its container or the beginning of that, or the value of its label openhands.runtime_id.",
    ),
    timeout: field(
      v.nullish(integer(0)),
      `How many seconds it may take to end before it is ended: ${STOP_GRACE_SECONDS} where it is not said, a day at most.`,
    ),
  },
  "model_attributes_type",
);
export type RuntimeActionRequest = v.InferOutput<typeof RuntimeActionRequest>;

/** `{"80/tcp":[{"HostIp":"127.0.0.1","HostPort":"32768"}]}`, as the engine tells it. */
const PublishedPorts = v.record(v.string(), v.array(v.object({ HostIp: v.string(), HostPort: v.string() })));

/** What `/start` answers, and one entry of `/list`. */
export const RuntimeAnswer = v.object({
  runtime_id: field(v.string(), "By which it is paused, resumed and stopped; the container's name."),
  container_id: field(v.string(), "The container's id, 64 hex digits."),
  name: field(v.string(), "The container's name."),
  image: field(v.string(), "What it was made of, as the engine calls it."),
  status: field(v.string(), "The engine's word: created, running, paused, restarting, exited, removing or dead."),
  created_at: field(v.pipe(v.string(), v.metadata({ format: "date-time" })), "When it was made, in UTC."),
  ports: field(PublishedPorts, "Port and protocol in it, and where each is published, as the engine tells it."),
});
export type RuntimeAnswer = v.InferOutput<typeof RuntimeAnswer>;

/** What `/stop`, `/pause` and `/resume` answer; `runtime_id` is the one that was sent. */
export const RuntimeActionAnswer = v.object({
  runtime_id: field(v.string(), "As it was sent."),
  container_id: field(v.string(), "The container's id, 64 hex digits."),
  status: field(v.string(), "What it is now: running, paused or exited; created for one that was never started."),
  message: field(v.string(), "For a person."),
});
export type RuntimeActionAnswer = v.InferOutput<typeof RuntimeActionAnswer>;

/** `GET /list`, an addition of ours. */
export const RuntimeListAnswer = v.object({ runtimes: field(v.array(RuntimeAnswer), "Newest first.") });

/** One thing that is wrong with a request: pydantic's shape, `loc` beginning with "body". */
export const ValidationProblem = v.object({
  type: field(v.string(), "pydantic's name for what is wrong."),
  loc: field(v.array(v.union([v.string(), v.number()])), "Where it is, beginning with body or query."),
  msg: field(v.string(), "For a person."),
  input: field(v.unknown(), "What was sent there; of a field that is missing, what lacks it."),
});
export type ValidationProblem = v.InferOutput<typeof ValidationProblem>;

/** The body of 400, 401, 403, 404 and 503. */
export const RuntimeErrorAnswer = v.object({ detail: field(v.string(), "Why not.") });
/** The body of 422. */
export const ValidationErrorAnswer = v.object({
  detail: field(v.array(ValidationProblem), "All that is wrong, a hundred at most."),
});
