// The program that drivers start inside their sandboxes, without the rest of runcode around it.
import { INSIDE } from "../../src/server/inside.ts";

const [name = "", ...args] = process.argv.slice(2);
const command = await INSIDE[name]?.();
process.exit(command ? await command.main(args) : 2);
