import * as v from "valibot";
import { flag, id, list, moment, port, text, texts } from "./fields.ts";

const data_dir = text("the server's data directory");
const addresses = {
  pid: id("the server's process"),
  api_base: text("address of the API"),
  web_base: text("address of the pages"),
  ssh: v.object({ host: text("the gateway's name or address"), port: port("its port") }),
  data_dir,
  drivers: texts("sandbox drivers that are offered, the default first"),
  runtime_api: v.exactOptional(text("address of the runtime API, where it is served")),
};

export const ServerFacts = v.object({
  ...addresses,
  login_url: text("opens the pages in a browser, once, within a quarter of an hour"),
  notes: texts("what a person should know of this machine's sandboxes"),
  owner_token: v.exactOptional(text("a token of the owner's account; at the first start only")),
});

export default v.union([
  ServerFacts,
  v.pipe(
    v.object({
      running: v.literal(true),
      ...addresses,
      since: moment("when it started"),
      version: text("of the program that serves"),
      engine: v.exactOptional(v.nullable(text("the container engine's address, where --engine named it"))),
      engines: list(
        v.object({
          url: text("its address"),
          answers: flag("whether it does"),
          detail: text("what it is, or what is wrong with it"),
        }),
        "container engines of this machine, the one that would be used first",
      ),
    }),
    v.title("--status"),
  ),
  v.pipe(v.object({ running: v.literal(false), data_dir }), v.title("--status, where none runs; the exit code is 3")),
  v.pipe(
    v.object({
      stopped: flag("false where none ran"),
      pid: v.exactOptional(id("the process that was stopped")),
      data_dir,
    }),
    v.title("--stop"),
  ),
]);
