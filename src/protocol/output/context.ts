import * as v from "valibot";
import { count, id, list, port, text, texts } from "./fields.ts";

const bytes = (what: string) => v.nullable(count(`${what}, in bytes`));

export default v.pipe(
  v.object({
    workspace_id: id("the workspace's number"),
    title: text("the workspace's title"),
    cwd: text("the project directory, where commands run"),
    user: v.nullable(text("the account there")),
    shell: v.nullable(text("its shell")),
    os: v.nullable(text("the system's own name for itself")),
    kernel: v.nullable(text("name and version")),
    arch: v.nullable(text("as uname -m says it")),
    git: v.nullable(
      v.pipe(
        v.object({
          branch: v.nullable(text("null where none is checked out")),
          head: v.nullable(text("the commit, abbreviated")),
          dirty: v.nullable(count("how many paths differ from it")),
          remote: v.nullable(text("the address of origin, without credentials")),
        }),
        v.description("null where the directory is no repository"),
      ),
    ),
    markers: texts("files in the directory that tell what kind of project it is"),
    tools: v.pipe(v.record(v.string(), v.string()), v.description("versions of the tools that are there, by name")),
    disk: v.nullable(
      v.pipe(
        v.object({ total_bytes: count("size, in bytes"), available_bytes: count("room left, in bytes") }),
        v.description("of the file system that holds the directory"),
      ),
    ),
    cpu: v.object({
      count: v.nullable(count("processors that may be used")),
      load: v.nullable(v.pipe(v.number(), v.minValue(0), v.description("average of the last minute"))),
    }),
    memory: v.object({ total_bytes: bytes("what may be used"), available_bytes: bytes("room left") }),
    ports: list(
      v.object({ address: text("what it listens on, IPv4 or IPv6"), port: port("its number") }),
      "TCP ports that somebody listens on",
    ),
  }),
  v.description("What the workspace says of itself, which is its own claim. Null means: not known there."),
);
