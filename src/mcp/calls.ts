// From a request to a tool's function and back: the call's own context and signal, its progress, the workspace that is meant,
// and the files of this machine that it may touch.
import {
  inputRequired,
  inputResponse,
  type CallToolResult,
  type InputRequiredResult,
  type ServerContext,
} from "@modelcontextprotocol/server";
import * as v from "valibot";
import { targetSession } from "../bundle/target.ts";
import { SESSION_MARGIN_MS } from "../protocol/constants.ts";
import { RuncodeError } from "../protocol/errors.ts";
import { Commands } from "./commands.ts";
import { localPaths, type LocalPaths } from "./local-paths.ts";
import { progressOf } from "./progress.ts";
import { failure, success } from "./results.ts";
import type { Answer, Call, McpDeps, Tool } from "./tool.ts";

/** After the client has gone, how long a remote command may take to end politely. Clients kill who lingers longer than 2 s. */
const POLITE_MS = 1000;

export class Calls {
  readonly commands = new Commands();
  readonly #deps: McpDeps;
  readonly #allowed: readonly string[];
  readonly #hurry = new AbortController();
  readonly #going = new Set<Promise<unknown>>();
  readonly #turns = new Map<string, Promise<unknown>>();
  #actsOn: number | null = null;

  /** `allowed`: directories of this machine beside the client's roots. */
  constructor(deps: McpDeps, allowed: readonly string[]) {
    this.#deps = deps;
    this.#allowed = allowed;
  }

  /** Takes a request for a tool; gives what to send back: a failure too is a result. */
  async answer(
    tool: Tool,
    args: unknown,
    context: ServerContext,
    roots: boolean,
  ): Promise<CallToolResult | InputRequiredResult> {
    const asked = tool.local && roots ? inputResponse(context.mcpReq.inputResponses, "roots") : null;
    if (asked?.kind === "missing") return inputRequired({ inputRequests: { roots: inputRequired.listRoots() } });
    const uris = asked?.kind === "roots" ? asked.roots.map(({ uri }) => uri) : null;
    try {
      return success(await this.run(tool, args, context, uris));
    } catch (thrown) {
      return failure(thrown);
    }
  }

  /** As `answer`, and throws what the tool throws. `roots` are the client's, null where it has none to give. */
  async run(
    tool: Tool,
    args: unknown,
    context: ServerContext,
    roots: readonly string[] | null = null,
  ): Promise<Answer<unknown>> {
    const parsed = v.safeParse(tool.input, args ?? {});
    if (!parsed.success) throw usage(tool.name, parsed.issues);
    const { signal, _meta, notify } = context.mcpReq;
    const token = _meta?.progressToken;
    const progress = progressOf(
      token === undefined
        ? undefined
        : (sent) =>
            void notify({ method: "notifications/progress", params: { progressToken: token, ...sent } }).catch(
              () => {},
            ),
    );
    const work = tool.run(parsed.output, this.#call(tool, cancelledBy(signal), progress.report, roots));
    this.#going.add(work);
    try {
      return await work;
    } finally {
      progress.stop();
      this.#going.delete(work);
    }
  }

  /** The titles of the workspaces that have a session here; no network. */
  async titles(): Promise<readonly string[]> {
    const { clock } = this.#deps;
    const sessions = await this.#deps.anew().sessions();
    const live = (await sessions.all()).filter(
      ({ apiBase, expiresAt }) => apiBase === sessions.apiBase && expiresAt - clock.now() > SESSION_MARGIN_MS,
    );
    return [...new Set(live.map(({ title }) => title))].sort();
  }

  /** When the client has gone: resolves once nothing of any call goes on. The calls' own signals are aborted by then. */
  async close(): Promise<void> {
    const timer = setTimeout(() => this.hurry(), POLITE_MS);
    await Promise.allSettled([this.commands.close(), ...this.#going]);
    clearTimeout(timer);
  }

  /** No more politeness to remote commands that are being ended. */
  hurry(): void {
    this.#hurry.abort();
  }

  #call(tool: Tool, signal: AbortSignal, report: Call["report"], roots: readonly string[] | null): Call {
    const { clock, cwd, platform, paths } = this.#deps;
    const now = this.#deps.anew();
    const api = (): ReturnType<Call["api"]> => now.api();
    const sessions = (): ReturnType<Call["sessions"]> => now.sessions();
    const target = { clock, signal, api, sessions };
    let local: LocalPaths | undefined;
    const { commands } = this;
    const more = this.#allowed;
    return {
      ...target,
      hurry: this.#hurry.signal,
      cwd,
      platform,
      paths,
      report,
      commands,
      actsOn: this.#actsOn,
      actOn: (workspaceId) => void (this.#actsOn = workspaceId),
      session: (name) => targetSession(target, name ?? (this.#actsOn === null ? undefined : String(this.#actsOn))),
      get local() {
        if (!tool.local) throw new TypeError(`${tool.name} does not say that it touches files of this machine`);
        return (local ??= localPaths({ roots, cwd, paths, more }));
      },
      inTurn: (key, work) => this.#inTurn(key, work),
    };
  }

  async #inTurn<T>(key: string, work: () => Promise<T>): Promise<T> {
    const before = this.#turns.get(key) ?? Promise.resolve();
    const mine = before.then(work, work);
    this.#turns.set(key, mine);
    try {
      return await mine;
    } finally {
      if (this.#turns.get(key) === mine) this.#turns.delete(key);
    }
  }
}

function usage(name: string, issues: readonly v.BaseIssue<unknown>[]): RuncodeError {
  const told = issues.slice(0, 3).map((issue) => `${v.getDotPath(issue) ?? "arguments"}: ${issue.message}`);
  return new RuncodeError("usage", `${name}: ${told.join("; ")}`, {
    hint: "the tool's input schema says what it takes",
  });
}

/** The SDK aborts with whatever the client gave as its reason; what ends by it here wants an error of ours. */
function cancelledBy(signal: AbortSignal): AbortSignal {
  const mine = new AbortController();
  const cancel = (): void => mine.abort(new RuncodeError("interrupted", "the client cancelled the call"));
  if (signal.aborted) cancel();
  else signal.addEventListener("abort", cancel, { once: true });
  return mine.signal;
}
