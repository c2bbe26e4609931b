// Table `workspaces`: what each one is, and what it should be. What it *is* at this moment is not kept here: that is
// true only while this process lives, and after a crash is found out from the driver.
import type { Database } from "bun:sqlite";
import type { WorkspaceCommand } from "../../protocol/workspace-fields.ts";

export interface WorkspaceRow {
  readonly id: number;
  readonly accountId: number;
  readonly title: string;
  readonly customTitle: string | null;
  readonly image: string | null;
  readonly flavor: string;
  readonly driver: string;
  /** What was asked for last. `deleted` is a making or a deletion that has begun: after a crash nothing of it is left. */
  readonly desired: "stopped" | "running" | "deleted";
  /** Why it is in state `error`, for a person. */
  readonly problem: string | null;
  readonly createdAt: number;
  /** The engine's id of the container that it was made over; null for one that the driver makes itself. */
  readonly container: string | null;
  /** What runs in it from its start; a text is a shell line. */
  readonly command: WorkspaceCommand | null;
  /** Values may be secrets: they leave this table for the workspace's processes alone. */
  readonly environment: Readonly<Record<string, string>>;
  readonly labels: Readonly<Record<string, string>>;
}

type Row = Omit<WorkspaceRow, "command" | "environment" | "labels"> & {
  readonly command: string | null;
  readonly environment: string;
  readonly labels: string;
};

export interface WorkspacesTable {
  /** Gives null when the title is taken, in whatever case, or the container. */
  insert(row: Omit<WorkspaceRow, "id" | "problem">): WorkspaceRow | null;
  get(id: number): WorkspaceRow | null;
  byTitle(title: string): WorkspaceRow | null;
  byContainer(container: string): WorkspaceRow | null;
  all(): WorkspaceRow[];
  want(id: number, desired: WorkspaceRow["desired"], problem: string | null): void;
  delete(id: number): void;
}

const COLUMNS =
  "id, account_id AS accountId, title, custom_title AS customTitle, image, flavor, driver, desired, problem, created_at AS createdAt, container, command, environment, labels";

const read = (row: Row): WorkspaceRow => ({
  ...row,
  command: row.command === null ? null : (JSON.parse(row.command) as WorkspaceCommand),
  environment: JSON.parse(row.environment) as Record<string, string>,
  labels: JSON.parse(row.labels) as Record<string, string>,
});
const one = (row: Row | null): WorkspaceRow | null => row && read(row);

export function workspacesTable(db: Database): WorkspacesTable {
  const insert = db.query<Row, [Record<string, string | number | null>]>(
    `INSERT INTO workspaces (account_id, title, custom_title, image, flavor, driver, desired, created_at, container, command, environment, labels)
     VALUES ($accountId, $title, $customTitle, $image, $flavor, $driver, $desired, $createdAt, $container, $command, $environment, $labels)
     ON CONFLICT DO NOTHING RETURNING ${COLUMNS}`,
  );
  const get = db.query<Row, [number]>(`SELECT ${COLUMNS} FROM workspaces WHERE id = ?`);
  const byTitle = db.query<Row, [string]>(`SELECT ${COLUMNS} FROM workspaces WHERE title = ?`);
  const byContainer = db.query<Row, [string]>(`SELECT ${COLUMNS} FROM workspaces WHERE container = ?`);
  const all = db.query<Row, []>(`SELECT ${COLUMNS} FROM workspaces ORDER BY id`);
  const want = db.query<null, [string, string | null, number]>(
    "UPDATE workspaces SET desired = ?, problem = ? WHERE id = ?",
  );
  const remove = db.query<null, [number]>("DELETE FROM workspaces WHERE id = ?");
  return {
    insert: ({ command, environment, labels, ...row }) =>
      one(
        insert.get({
          ...row,
          command: command && JSON.stringify(command),
          environment: JSON.stringify(environment),
          labels: JSON.stringify(labels),
        }),
      ),
    get: (id) => one(get.get(id)),
    byTitle: (title) => one(byTitle.get(title)),
    byContainer: (container) => one(byContainer.get(container)),
    all: () => all.all().map(read),
    want: (id, desired, problem) => void want.run(desired, problem, id),
    delete: (id) => void remove.run(id),
  };
}
