// What is sent and answered, for people who read the declarations of the npm package: no schema, and nothing imported. The
// schemas are in protocol/runtime-api.ts; the compiler holds these to them.

/** `POST /start`: everything but the image may be left out. */
export interface StartRuntimeInput {
  image: string;
  /** The engine makes one up where there is none. */
  name?: string | null | undefined;
  /** A text is split as a shell would, and not run by one. */
  command?: string | string[] | null | undefined;
  environment?: Record<string, string> | null | undefined;
  ports?: PortBindingInput[] | null | undefined;
  volumes?: VolumeMountInput[] | null | undefined;
  /** Only true is there. */
  detach?: boolean | undefined;
  /** Removes the container when it ends. */
  auto_remove?: boolean | undefined;
  labels?: Record<string, string> | null | undefined;
  /** As the engine has it: `{ Name: "on-failure", MaximumRetryCount: "3" }`. */
  restart_policy?: Record<string, string> | null | undefined;
  network?: string | null | undefined;
}

/** A port of the container's, published at one of the host's; without `host_port` the engine takes a free one. */
export interface PortBindingInput {
  container_port: number;
  host_port?: number | null | undefined;
  protocol?: "tcp" | "udp" | undefined;
}

/** A directory of the host's that the server's operator allowed. */
export interface VolumeMountInput {
  host_path: string;
  container_path: string;
  mode?: "rw" | "ro" | undefined;
}

/** What `/start` answers, and one entry of `/list`. */
export interface RuntimeAnswer {
  runtime_id: string;
  container_id: string;
  name: string;
  image: string;
  /** The engine's word: `running`, `paused`, `exited`. */
  status: string;
  /** A date and time of RFC 3339. */
  created_at: string;
  /** `{"80/tcp":[{"HostIp":"127.0.0.1","HostPort":"32768"}]}`, as the engine tells it. */
  ports: Record<string, { HostIp: string; HostPort: string }[]>;
}

/** What `/stop`, `/pause` and `/resume` answer; `runtime_id` is the one that was sent. */
export interface RuntimeActionAnswer {
  runtime_id: string;
  container_id: string;
  status: string;
  message: string;
}

/** One thing that is wrong with a request: pydantic's shape, `loc` beginning with "body". */
export interface ValidationProblem {
  type: string;
  loc: (string | number)[];
  msg: string;
  input: unknown;
}
