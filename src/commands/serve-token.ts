// `runcode serve token`: tokens of the owner account, made and revoked on the server's own machine, while it runs or not.
import { defineCommand } from "../context.ts";
import { RuncodeError } from "../protocol/errors.ts";
import { printable } from "../protocol/text.ts";

export default defineCommand({
  summary: "Make, list or revoke tokens of your own server",
  description: "Needs no running server and no login: whoever can read the data directory is its owner.",
  options: {
    dataDir: { kind: "string", placeholder: "DIR", summary: "the server's data directory" },
    name: { kind: "string", placeholder: "NAME", summary: "what the list shows" },
    list: { kind: "flag", summary: "list the tokens; the secrets themselves are kept nowhere" },
    revoke: { kind: "integer", placeholder: "ID", min: 1, summary: "revoke one" },
    loginLink: { kind: "flag", summary: "make a link that logs a browser in, once" },
  },
  examples: [
    ["runcode serve token --name laptop", "prints a new token and nothing else"],
    ["runcode serve token --list", "shows which there are"],
    ["runcode serve token --revoke 3", "ends one at once"],
  ],
  schema: () => import("../protocol/output/serve-token.ts"),
  async run(args, context) {
    const { openOwner } = await import("../server/daemon/owner.ts");
    if ([args.list, args.revoke !== undefined, args.loginLink].filter(Boolean).length > 1) {
      throw new RuncodeError("usage", "--list, --revoke and --login-link exclude each other");
    }
    const owner = await openOwner(context.cwd, args.dataDir ?? `${context.paths.state}/server`, context.clock);
    try {
      if (args.list) {
        const tokens = owner.tokens();
        const { table } = await import("../cli/output.ts");
        const rows = tokens.map((it) => [String(it.id), printable(it.name), it.created_at, it.last_used_at ?? "never"]);
        return { json: tokens, text: table([["ID", "NAME", "CREATED", "LAST USED"], ...rows]) };
      }
      if (args.revoke !== undefined) {
        owner.revoke(args.revoke);
        return { json: { revoked: args.revoke }, text: `revoked ${args.revoke}` };
      }
      if (args.loginLink) {
        const url = await owner.loginLink();
        return { json: { login_url: url }, text: url };
      }
      const made = owner.create(args.name ?? "serve token");
      return { json: made, text: made.token };
    } finally {
      owner.close();
    }
  },
});
