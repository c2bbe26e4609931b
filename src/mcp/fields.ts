// The kinds of field that the tools' arguments are made of.
import * as v from "valibot";
import { texts } from "../protocol/output/fields.ts";
import Transfer from "../protocol/output/transfer.ts";

export const text = (what: string) => v.pipe(v.string(), v.description(what));
export const words = (what: string) => v.pipe(v.string(), v.minLength(1, "must not be empty"), v.description(what));
export const flag = (what: string) => v.optional(v.pipe(v.boolean(), v.description(what)), false);
/** A whole number within bounds, `usual` where it is left out. */
export const within = (least: number, most: number, usual: number, what: string) =>
  v.optional(v.pipe(v.number(), v.integer(), v.minValue(least), v.maxValue(most), v.description(what)), usual);

/** Of every tool that acts on a workspace. */
export const workspace = v.exactOptional(
  words("id or title of the workspace; without it the one that was connected here, else the attached one"),
);

export const jobId = words("the job's id, as exec gave it");
export const waitMs = (until: string) => within(0, 600_000, 0, `wait until ${until}, for so long at most`);
export const outlives = v.pipe(
  v.boolean(),
  v.description("whether it goes on when this server ends; only a job that exec started with background does"),
);

/** In what a tool gives: which workspace it was, so that a mix-up shows. */
export const onWorkspace = { workspace: v.pipe(v.string(), v.description("title of the workspace")) };

export const remotePath = (what: string) =>
  words(`${what}; a relative one starts at the project directory, ~/ at the home there`);

export const transferred = v.object({
  ...onWorkspace,
  ...Transfer.entries,
  left_out: texts("neither a file nor a directory nor a link"),
});
