/**
 * A program that a workspace may have: with a file's name it writes its stdin there, and either way it prints the SHA-256 of
 * what it read. Where it is missing, what the system has is used. A container's helper brings it along.
 */
export const RECEIVER = "/.runcode/receive";
