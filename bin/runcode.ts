#!/usr/bin/env bun
import { main } from "../src/main.ts";
import { INSIDE } from "../src/server/inside.ts";

const [name = "", ...args] = process.argv.slice(2);
// Before anything reads a configuration: these run inside a sandbox, for the server.
const inside = Object.hasOwn(INSIDE, name) ? await INSIDE[name]?.() : undefined;
process.exit(await (inside ? inside.main(args) : main(process.argv.slice(2))));
