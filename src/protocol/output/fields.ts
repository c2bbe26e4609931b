// What `--json` prints, one file for each command's document, and here the kinds of field that they are made of. These schemas are
// the contract of scripts and agents: fields are added, never changed. Nothing that runs a command loads them; they are read
// by `runcode schema`, by help, and by what writes docs/schemas. Types of them are free, and keep handlers true to them.
import * as v from "valibot";

/** Every kind takes what the field says, with its unit where it has one. */
export const text = (what: string) => v.pipe(v.string(), v.description(what));
export const flag = (what: string) => v.pipe(v.boolean(), v.description(what));
export const list = <S extends v.GenericSchema>(item: S, what: string) => v.pipe(v.array(item), v.description(what));
export const texts = (what: string) => list(v.string(), what);
/** A whole number from 0: bytes, milliseconds, how many of something. */
export const count = (what: string) => v.pipe(v.number(), v.integer(), v.minValue(0), v.description(what));
/** A whole number from 1. */
export const id = (what: string) => v.pipe(v.number(), v.integer(), v.minValue(1), v.description(what));
export const port = (what: string) =>
  v.pipe(v.number(), v.integer(), v.minValue(1), v.maxValue(65535), v.description(what));
/** A moment as RFC 3339 has it, in UTC: 2026-01-31T12:00:00.000Z. */
export const moment = (what: string) => v.pipe(v.string(), v.isoTimestamp(), v.description(what));
export const sha256 = (what: string) => v.pipe(v.string(), v.regex(/^[0-9a-f]{64}$/), v.description(what));

/** One of these words and never another: a new one would break who reads it. */
export const oneOf = <const W extends readonly string[]>(words: W, what: string) =>
  v.pipe(v.picklist(words), v.description(what));
/** One of these words today; more may come, and readers must expect them. */
export const openOneOf = <const W extends readonly string[]>(words: W, what: string) =>
  v.pipe(v.picklist(words), v.metadata({ description: what, "x-open": true }));
