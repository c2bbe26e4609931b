import * as v from "valibot";
import { flag, id, moment, port, text, texts } from "./fields.ts";

const data_dir = text("the server's data directory");
const addresses = {
  pid: id("the server's process"),
  api_base: text("address of the API"),
  web_base: text("address of the pages"),
  ssh: v.object({ host: text("the gateway's name or address"), port: port("its port") }),
  data_dir,
  drivers: texts("sandbox drivers that are offered, the default first"),
  flavors: texts("sizes that a workspace may have"),
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
      engines: v.pipe(
        v.array(
          v.object({
            url: text("where it is"),
            answers: flag("whether it does"),
            detail: text("what it is, or what is wrong with it; for people"),
            fix: v.exactOptional(text("what to do where it does not answer")),
          }),
        ),
        v.description("container engines that this machine can reach"),
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
