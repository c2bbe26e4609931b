// Workspaces as their account sees them: made, listed, started, stopped, deleted. Ownership is checked here, once, for
// every way in; a workspace of somebody else is `not_found`, so that ids tell nothing.
import { RuncodeError } from "../../protocol/errors.ts";
import type { CreateWorkspaceRequest } from "../../protocol/api.ts";
import { oneLine } from "../../protocol/text.ts";
import { TITLE, type WorkspaceState } from "../../protocol/workspace.ts";
import type { Driver, Limits, Sandbox, SandboxSpec } from "../sandboxes/driver.ts";
import type { Account } from "../store/accounts.ts";
import type { WorkspaceRow } from "../store/workspaces.ts";
import type { ControlPlaneDeps } from "./deps.ts";
import { BUILT_IN_FLAVORS } from "./flavors.ts";
import { createMachine, type Machine, type StartChoice } from "./machine.ts";
import { createRecovery, type Recovery } from "./recovery.ts";
import { suggestTitles } from "./titles.ts";

/** A workspace as it is at this moment. */
export interface WorkspaceView {
  readonly id: number;
  readonly title: string;
  readonly customTitle: string | null;
  readonly state: WorkspaceState;
  /** In state `error`, why; for a person. */
  readonly problem: string | null;
  /** While it starts or stops: what is being done, one line. */
  readonly progress: string | null;
  readonly image: string | null;
  readonly flavor: string;
  readonly driver: string;
  readonly command: WorkspaceRow["command"];
  /** The names of its variables; no view has the values. */
  readonly environment: readonly string[];
  readonly labels: WorkspaceRow["labels"];
  readonly isolation: Driver["isolation"] | null;
  readonly createdAt: number;
  readonly webUrl: string;
}

export interface WorkspaceEvent {
  readonly workspaceId: number;
  /** `gone`: it was deleted. */
  readonly state: WorkspaceState | "gone";
  /** A line of progress, or the reason of an error. */
  readonly detail: string | null;
}

/** A container that becomes a workspace. */
export interface Adoption {
  /** What it would be called; another title is found where that one is taken. Made of what a title is made of, of any length. */
  readonly name: string;
  readonly image: string;
  readonly container: string;
  readonly running: boolean;
}

export interface Lifecycle extends Recovery {
  list(account: Account): WorkspaceView[];
  /** Throws RuncodeError `not_found`, as all that take an id do. */
  get(account: Account, id: number): WorkspaceView;
  /** By title, in whatever case; null when the account has none of that name. */
  byTitle(account: Account, title: string): WorkspaceView | null;
  /** Throws `conflict` for a taken title, `bad_request` for an unknown flavor, driver or an image where there are none. */
  create(account: Account, request: CreateWorkspaceRequest): Promise<WorkspaceView>;
  /** Resolves when it runs: see Machine. */
  start(account: Account, id: number, choice?: StartChoice): Promise<void>;
  stop(account: Account, id: number): Promise<void>;
  /** Throws `conflict` while it runs, unless `force`. */
  delete(account: Account, id: number, options: { force: boolean }): Promise<void>;
  /** Makes a workspace over a container that is there, or takes note of how one is that was made before. Never rejects. */
  adopt(account: Account, adoption: Adoption): Promise<void>;
  /** The containers that workspaces were made over. */
  adopted(): string[];
  /** Forgets the workspace over a container that is gone. */
  release(container: string): Promise<void>;
  /** The running sandbox, for whoever was let in already. Throws `conflict` or `not_found`. */
  sandbox(id: number): Sandbox;
  /** Tells of every change of state until the result is called. A listener must not throw. */
  subscribe(listener: (event: WorkspaceEvent) => void): () => void;
  /** Throws when the default driver is not well. */
  probe(): Promise<void>;
  /**
   * Stops every sandbox, without forgetting which were running, and closes the drivers. Gives the workspaces that did not
   * stop in time, for a person.
   */
  close(): Promise<readonly string[]>;
}

/** How many numbers may be passed over for a new workspace, since something of a workspace that is not known here has them. */
const MOST_TAKEN = 1000;
/** How long a server that ends waits for its sandboxes, in milliseconds; what is left is cleared up at its next start. */
const CLOSE_MS = 25_000;
/** How many of those are named. */
const NAMED = 10;

export function createLifecycle({
  store,
  drivers,
  adopting = null,
  flavors = BUILT_IN_FLAVORS,
  clock,
  endpoints,
  log,
}: ControlPlaneDeps): Lifecycle {
  const machines = new Map<number, Machine>();
  const listeners = new Set<(event: WorkspaceEvent) => void>();
  /** Those that are being made: nobody has been told of them, and after a crash they are cleared up. */
  const making = new Set<number>();
  let closing = false;
  const driverOf = (name: string): Driver | null => drivers.find((driver) => driver.name === name) ?? null;
  const driverFor = ({ container, driver }: WorkspaceRow): Driver | null =>
    container === null ? driverOf(driver) : adopting;

  const tell = (event: WorkspaceEvent): void => {
    for (const listener of listeners) listener(event);
  };
  const machineOf = (row: WorkspaceRow, fresh = false): Machine => {
    const known = machines.get(row.id);
    if (known) return known;
    const machine = createMachine({
      title: row.title,
      driver: driverFor(row),
      missing:
        row.container === null
          ? `this server runs without the driver ${row.driver}; start it with --driver ${drivers[0].name},${row.driver}`
          : "it is a runtime, and this server runs without --runtime-api",
      spec: () => {
        const limits = flavors.get(row.flavor);
        if (!limits) {
          throw new RuncodeError("start_failed", `this server has no flavor ${row.flavor} any more`, {
            hint: "put it into the file of serve --flavors again, or make the workspace anew",
          });
        }
        return specOf(row, limits);
      },
      record: (desired, problem) => store.workspaces.want(row.id, desired, problem),
      changed: (state, detail) => {
        log(`workspace ${row.title}: ${state}${detail === null ? "" : `: ${detail}`}`);
        tell({ workspaceId: row.id, state, detail });
      },
      goal: row.desired === "running" ? "running" : "stopped",
      problem: row.problem,
      fresh,
    });
    machines.set(row.id, machine);
    return machine;
  };

  const view = (row: WorkspaceRow): WorkspaceView => {
    const machine = machineOf(row);
    return {
      id: row.id,
      title: row.title,
      customTitle: row.customTitle,
      state: machine.state,
      problem: machine.state === "error" ? machine.problem : null,
      progress: machine.progress,
      image: row.image,
      flavor: row.flavor,
      driver: row.driver,
      command: row.command,
      environment: Object.keys(row.environment),
      labels: row.labels,
      isolation: driverFor(row)?.isolation ?? null,
      createdAt: row.createdAt,
      webUrl: `${endpoints().webBase}/w/${row.title}`,
    };
  };
  const own = (account: Account, id: number): WorkspaceRow => {
    const row = store.workspaces.get(id);
    if (!row || row.accountId !== account.id || making.has(id))
      throw new RuncodeError("not_found", `there is no workspace ${id}`);
    return row;
  };
  const insert = (row: Omit<WorkspaceRow, "id" | "problem" | "title">, title?: string): WorkspaceRow => {
    if (title === undefined) {
      for (const suggestion of suggestTitles()) {
        const made = store.workspaces.insert({ ...row, title: suggestion });
        if (made) return made;
      }
    }
    const made = store.workspaces.insert({ ...row, title: title as string });
    if (!made) throw new RuncodeError("conflict", `the title ${title} is taken`, { hint: "choose another one" });
    return made;
  };
  const remove = async (row: WorkspaceRow, machine: Machine): Promise<void> => {
    await machine.destroy();
    store.workspaces.delete(row.id);
    // Of several that waited for the same deletion only the first has something to tell.
    if (machines.delete(row.id)) tell({ workspaceId: row.id, state: "gone", detail: null });
  };

  const recovery = createRecovery({
    store,
    drivers,
    machineOf,
    remove,
    isMaking: (id) => making.has(id),
    isClosing: () => closing,
    log,
  });

  return {
    list: (account) =>
      store.workspaces
        .all()
        .filter((row) => row.accountId === account.id && !making.has(row.id))
        .map(view),
    get: (account, id) => view(own(account, id)),
    byTitle: (account, title) => {
      const row = store.workspaces.byTitle(title);
      return row?.accountId === account.id && !making.has(row.id) ? view(row) : null;
    },
    create: async (account, request) => {
      const name = request.driver ?? drivers[0].name;
      const driver = driverOf(name);
      if (!driver) {
        const hint = `choose one of: ${drivers.map((known) => known.name).join(", ")}`;
        throw new RuncodeError("bad_request", `this server has no driver ${name}; ${hint}`);
      }
      const flavor = request.flavor ?? "default";
      const limits = flavors.get(flavor);
      if (!limits) {
        const hint = `choose one of: ${[...flavors.keys()].join(", ")}`;
        throw new RuncodeError("bad_request", `this server has no flavor ${flavor}; ${hint}`);
      }
      if (request.image !== undefined && driver.isolation !== "container") {
        throw new RuncodeError("bad_request", `the driver ${name} runs no images; leave image out`);
      }
      for (let taken = 0; ; taken++) {
        const about = {
          accountId: account.id,
          customTitle: request.custom_title ?? null,
          image: request.image ?? null,
          flavor,
          driver: name,
          desired: "deleted" as const,
          createdAt: clock.now(),
          container: null,
          command: request.command ?? null,
          environment: request.environment ?? {},
          labels: request.labels ?? {},
        };
        const row = insert(about, request.title);
        making.add(row.id);
        try {
          await driver.create(specOf(row, limits));
          store.workspaces.want(row.id, "stopped", null);
        } catch (error) {
          store.workspaces.delete(row.id);
          // The number is never given again, so the next try is another workspace.
          if (error instanceof RuncodeError && error.code === "conflict" && taken < MOST_TAKEN) continue;
          const reason = oneLine(error instanceof Error ? error.message : String(error));
          throw new RuncodeError("create_failed", `workspace ${row.title} could not be made: ${reason}`, {
            cause: error,
          });
        } finally {
          making.delete(row.id);
        }
        machineOf(row, true);
        return view(row);
      }
    },
    start: async (account, id, choice) => machineOf(own(account, id)).start(choice),
    stop: async (account, id) => machineOf(own(account, id)).stop(),
    delete: async (account, id, { force }) => {
      const row = own(account, id);
      const machine = machineOf(row);
      if (!force && machine.state !== "stopped" && machine.state !== "error") {
        throw new RuncodeError("conflict", `workspace ${row.title} is ${machine.state}`, { hint: "stop it first" });
      }
      await remove(row, machine);
    },
    adopt: async (account, { name, image, container, running }) => {
      const known = store.workspaces.byContainer(container);
      if (known) return await machineOf(known).align(running);
      const given = { customTitle: null, flavor: "default", command: null, environment: {}, labels: {} };
      const about = { ...given, desired: "stopped" as const, accountId: account.id, image, createdAt: clock.now() };
      for (const title of [name, `${name.slice(0, 50)}-${container.slice(0, 12)}`]) {
        const row = { ...about, title: title.slice(0, 63), driver: adopting?.name ?? "runtime", container };
        const made = TITLE.test(row.title) ? store.workspaces.insert(row) : null;
        if (made) return await machineOf(made, true).align(running);
      }
      log(`runtime ${name}: no title was free for it, so it is no workspace`);
    },
    adopted: () => store.workspaces.all().flatMap(({ container }) => (container === null ? [] : [container])),
    release: async (container) => {
      const row = store.workspaces.byContainer(container);
      if (!row) return;
      await machineOf(row).align(false);
      store.workspaces.delete(row.id);
      if (machines.delete(row.id)) tell({ workspaceId: row.id, state: "gone", detail: null });
    },
    sandbox: (id) => {
      const row = store.workspaces.get(id);
      if (!row) throw new RuncodeError("not_found", `there is no workspace ${id}`);
      const machine = machineOf(row);
      if (!machine.sandbox) throw new RuncodeError("conflict", `workspace ${row.title} is ${machine.state}`);
      return machine.sandbox;
    },
    subscribe: (listener) => {
      listeners.add(listener);
      return () => void listeners.delete(listener);
    },
    ...recovery,
    probe: async () => {
      const health = await drivers[0].probe();
      if (!health.ok) throw new RuncodeError("unavailable", `driver ${drivers[0].name}: ${health.detail}`);
    },
    close: async () => {
      closing = true;
      const late = new Set(machines.keys());
      const halts = [...machines].map(async ([id, machine]) => {
        await machine.halt();
        late.delete(id);
      });
      const enough = new AbortController();
      const bound = clock.sleep(CLOSE_MS, enough.signal).catch(() => {});
      await Promise.race([Promise.all(halts), bound]);
      enough.abort();
      await Promise.all([...drivers, ...(adopting ? [adopting] : [])].map((driver) => driver.close()));
      const titles = [...late].map((id) => store.workspaces.get(id)?.title ?? String(id));
      const more = titles.length > NAMED ? [`${titles.length - NAMED} more workspaces`] : [];
      return [...titles.slice(0, NAMED).map((title) => `workspace ${title}`), ...more];
    },
  };
}

function specOf(
  { id, title, image, command, environment, labels, container }: WorkspaceRow,
  limits: Limits,
): SandboxSpec {
  const rest = { ...(command === null ? {} : { command }), ...(container === null ? {} : { container }) };
  return { id, title, image, limits, environment, labels, ...rest };
}
