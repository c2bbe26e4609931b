// The helper: this very program with the C library that it runs on here, laid into a sandbox whose own may be another one or
// none at all. It is started by that library's loader, so that nothing of the image is needed.

/** Where the helper's files are inside, read-only. */
export const HELPER_DIR = "/.runcode";
/** The loader (ld.so), the program, and the directory of the libraries. */
export const LOADER = "loader";
export const PROGRAM = "runcode";
export const LIBRARIES = "lib";

/** The argv that starts the helper inside, its command to follow. Both glibc's and musl's loaders know the option. */
export function selfArgv(): string[] {
  return [`${HELPER_DIR}/${LOADER}`, "--library-path", `${HELPER_DIR}/${LIBRARIES}`, `${HELPER_DIR}/${PROGRAM}`];
}
