// What the tests stand on: a home to throw away, the built program, a real server on free ports, and the tools of the
// system that are driven against it. Nothing here imitates anything.
export { copyProgram, writeProgram } from "./executable.ts";
export { engineProxy, type EngineProxy } from "./engine-proxy.ts";
export { killForGood, processEnd } from "./kill.ts";
export { ownEngine, type OwnEngine } from "./own-engine.ts";
export { freePort } from "./port.ts";
export { testHome, type TestHome } from "./home.ts";
export { checkDocuments } from "./documents.ts";
export { BINARY, ROOT, runProgram, type Ran, type RunOptions } from "./program.ts";
export { registry, type Registry } from "./registry.ts";
export { testServer, type ServerFacts, type TestClient, type TestServer } from "./server.ts";
export { describeWith, testWith, which, type Tool } from "./tools.ts";
