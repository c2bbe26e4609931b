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
    const told = typeof given === "string" || typeof given === "number";
    if (told && YES.includes(word)) return true;
    if (told && NO.includes(word)) return false;
    addIssue({ message: told ? "bool_parsing" : "bool_type" });
    return NEVER;
  }),
);
const YES = ["true", "t", "yes", "y", "on", "1"];
const NO = ["false", "f", "no", "n", "off", "0"];

const port = integer(1, 65_535);

/** A port of the container's, published at one of the host's; without `host_port` the engine takes a free one. */
const PortBinding = v.object(
  {
    container_port: port,
    host_port: v.nullish(port),
    protocol: v.optional(v.picklist(["tcp", "udp"], "literal_error"), "tcp"),
  },
  "model_attributes_type",
);

const VolumeMount = v.object(
  {
    host_path: filled,
    container_path: filled,
    mode: v.optional(v.picklist(["rw", "ro"], "literal_error"), "rw"),
  },
  "model_attributes_type",
);

export const command = v.nullish(v.union([text, v.array(text, "list_type")]));

/** `POST /start`. What it does not name is ignored. */
export const StartRuntimeRequest = v.pipe(
  v.object(
    {
      image: filled,
      name: v.nullish(filled),
      command,
      environment: v.nullish(strings),
      ports: v.nullish(v.pipe(v.array(PortBinding, "list_type"), v.maxLength(MOST_PORTS, "too_long"))),
      volumes: v.nullish(v.pipe(v.array(VolumeMount, "list_type"), v.maxLength(MOST_VOLUMES, "too_long"))),
      detach: v.optional(boolean, true),
      auto_remove: v.optional(boolean, false),
      labels: v.nullish(strings),
      restart_policy: v.nullish(strings),
      network: v.nullish(text),
    },
    "model_attributes_type",
  ),
  v.check(({ detach }) => detach, "value_error"),
);
export type StartRuntimeRequest = v.InferOutput<typeof StartRuntimeRequest>;

/** `POST /stop`, `/pause`, `/resume`. `timeout` is in seconds and speaks of stopping only. */
export const RuntimeActionRequest = v.object(
  { runtime_id: filled, timeout: v.nullish(integer(0)) },
  "model_attributes_type",
);
export type RuntimeActionRequest = v.InferOutput<typeof RuntimeActionRequest>;

/** `{"80/tcp":[{"HostIp":"127.0.0.1","HostPort":"32768"}]}`, as the engine tells it. */
const PublishedPorts = v.record(v.string(), v.array(v.object({ HostIp: v.string(), HostPort: v.string() })));

/** What `/start` answers, and one entry of `/list`. */
export const RuntimeAnswer = v.object({
  runtime_id: v.string(),
  container_id: v.string(),
  name: v.string(),
  image: v.string(),
  status: v.string(),
  created_at: v.pipe(v.string(), v.metadata({ format: "date-time" })),
  ports: PublishedPorts,
});
export type RuntimeAnswer = v.InferOutput<typeof RuntimeAnswer>;

/** What `/stop`, `/pause` and `/resume` answer; `runtime_id` is the one that was sent. */
export const RuntimeActionAnswer = v.object({
  runtime_id: v.string(),
  container_id: v.string(),
  status: v.string(),
  message: v.string(),
});
export type RuntimeActionAnswer = v.InferOutput<typeof RuntimeActionAnswer>;

/** `GET /list`, an addition of ours. */
export const RuntimeListAnswer = v.object({ runtimes: v.array(RuntimeAnswer) });

/** One thing that is wrong with a request: pydantic's shape, `loc` beginning with "body". */
export const ValidationProblem = v.object({
  type: v.string(),
  loc: v.array(v.union([v.string(), v.number()])),
  msg: v.string(),
  input: v.unknown(),
});
export type ValidationProblem = v.InferOutput<typeof ValidationProblem>;

/** The body of 400, 401, 403, 404 and 503. */
export const RuntimeErrorAnswer = v.object({ detail: v.string() });
/** The body of 422. */
export const ValidationErrorAnswer = v.object({ detail: v.array(ValidationProblem) });
