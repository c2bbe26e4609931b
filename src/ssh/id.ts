import { randomBytes } from "../platform/digest.ts";

/** The name that a command's processes carry in their environment: 16 hexadecimal characters. */
export const newId = (): string => randomBytes(8).toString("hex");
