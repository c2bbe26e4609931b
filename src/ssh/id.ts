import { randomBytes } from "node:crypto";

/** The name that a command's processes carry in their environment: 16 hexadecimal characters. */
export const newId = (): string => randomBytes(8).toString("hex");
