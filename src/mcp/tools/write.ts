import * as v from "valibot";
import { readySession } from "../../bundle/target.ts";
import { RuncodeError } from "../../protocol/errors.ts";
import Write from "../../protocol/output/write.ts";
import { putFile } from "../../ssh/transfer/put-file.ts";
import { remotePath as parsePath } from "../../ssh/transfer/remote-path.ts";
import { bufferSource } from "../../ssh/transfer/source.ts";
import { onWorkspace, remotePath, text, workspace } from "../fields.ts";
import { defineTool, REPLACES } from "../tool.ts";

const BASE64 = v.pipe(v.string(), v.base64());

export default defineTool({
  name: "write",
  title: "Write a file",
  description: `Writes a whole file on the workspace; one that is there is replaced. Nobody there sees half of it: it is written under another name, \
checked and renamed. Missing directories are made. To change a part of a file, use edit.`,
  annotations: REPLACES,
  input: v.strictObject({
    path: remotePath("the file"),
    content: text("all of it"),
    encoding: v.optional(v.picklist(["text", "base64"]), "text"),
    mode: v.exactOptional(
      v.pipe(
        v.string(),
        v.regex(/^[0-7]{3,4}$/, "expected three or four octal digits"),
        v.description("permissions, such as 755; without it those of the file that is there, else 644 less the umask"),
      ),
    ),
    workspace,
  }),
  output: v.object({ ...onWorkspace, ...Write.entries }),
  async run({ path, content, encoding, mode, workspace }, call) {
    const to = parsePath(path);
    if (to.directory)
      throw new RuncodeError("usage", `${path} names a directory`, { hint: "give the file's whole path" });
    if (encoding === "base64" && !v.is(BASE64, content)) throw new RuncodeError("usage", "content is no base64");
    const bytes = Buffer.from(content, encoding === "base64" ? "base64" : "utf8");
    const session = await readySession(await call.sessions(), await call.session(workspace), call.signal);
    const done = await putFile(session, bufferSource(bytes), to, {
      mode: mode === undefined ? undefined : Number.parseInt(mode, 8),
      signal: call.signal,
    });
    return { structured: { workspace: session.title, path, bytes: done.bytes, sha256: done.sha256 } };
  },
});
