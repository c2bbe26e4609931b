// What only Podman's own API says or does; it answers at the same address as Docker's.
import type Dockerode from "dockerode";

const OWN = "/v4.0.0/libpod";

/** Takes a path of Podman's own API and what is sent there; gives the answer. Throws what dockerode throws. */
export async function askPodman<T>(
  api: Dockerode,
  method: "GET" | "POST",
  path: string,
  options: object = {},
): Promise<T> {
  const request = { path: OWN + path, method, options, statusCodes: { 200: true } };
  return await new Promise((resolve, reject) => {
    (api.modem as { dial(request: object, done: (error: unknown, answer: T) => void): void }).dial(
      request,
      (error, answer) => (error ? reject(error as Error) : resolve(answer)),
    );
  });
}
