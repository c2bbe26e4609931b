// What is made of a bundle that is mostly good. Those that are refused have their table in test/client/hostile.test.ts.
import { describe, expect, test } from "vitest";
import { generateKey } from "../../src/bundle/keys.ts";
import { parseTime, safeWebUrl, validateBundle } from "../../src/bundle/validate.ts";
import type { WireBundle } from "../../src/protocol/api.ts";
import { goodBundle, HOST_KEY } from "../client/plane.ts";

const publicKey = (await generateKey("x")).blob;
const now = Date.parse("2030-06-01T12:00:00Z");
const iso = (ms: number): string => new Date(ms).toISOString();
const validate = (fields: Partial<WireBundle>, serverTime: number | null = null): ReturnType<typeof validateBundle> =>
  validateBundle(
    { ...(goodBundle() as unknown as WireBundle), expires_at: iso(now + 1_800_000), ...fields },
    { publicKey, now, serverTime },
  );

describe("pinned host keys", () => {
  test("are written under the one name that ssh looks up, and nothing else of the line is kept", () => {
    const lines = [
      "# a comment",
      `elsewhere,[127.0.0.1]:1 ${HOST_KEY} root@gateway`,
      `* ${HOST_KEY}`,
      "garbage",
      `127.0.0.1\t${HOST_KEY}`,
    ].join("\r\n");
    expect(validate({ known_hosts: lines }).knownHosts).toBe(`[127.0.0.1]:1 ${HOST_KEY}\n`);
    expect(validate({ host: "GW.example.org", port: 22, known_hosts: `gw.example.org ${HOST_KEY}` }).knownHosts).toBe(
      `gw.example.org ${HOST_KEY}\n`,
    );
  });

  test("of a coming rotation are pinned as well, and are no substitute for the present ones", () => {
    const next = HOST_KEY.replace(/.{4}$/, "AAAA");
    expect(validate({ next_known_hosts: `[127.0.0.1]:1 ${next}\nbroken` }).knownHosts).toBe(
      `[127.0.0.1]:1 ${HOST_KEY}\n[127.0.0.1]:1 ${next}\n`,
    );
    expect(() => validate({ known_hosts: "", next_known_hosts: `[127.0.0.1]:1 ${HOST_KEY}` })).toThrow(/host key/);
  });
});

describe("the time a session has", () => {
  const hour = 3_600_000;
  test.each([
    ["an hour behind the server's", hour],
    ["an hour ahead of the server's", -hour],
    ["right", 0],
  ])("is half an hour when this machine's clock is %s", (_, offset) => {
    const { expiresAt } = validate({ expires_at: iso(now + offset + 1_800_000) }, now + offset);
    expect(expiresAt - now).toBe(1_800_000);
  });

  test("is over when the server's clock says so, whatever this one says", () => {
    expect(() => validate({ expires_at: iso(now + hour - 1) }, now + hour)).toThrow(/expired/);
  });

  test("is no longer than a day, whatever the server says", () => {
    expect(validate({ expires_at: "9999-12-31T23:59:59Z" }).expiresAt - now).toBe(24 * hour);
  });

  test("is read as Python, Go and JavaScript write it", () => {
    const utc = Date.parse("2030-06-01T12:00:00.123Z");
    for (const text of [
      "2030-06-01T12:00:00.123Z",
      "2030-06-01T12:00:00.123456+00:00",
      "2030-06-01T14:00:00.123456789+02:00",
      "2030-06-01T06:30:00.123-0530",
    ])
      expect(parseTime(text)).toBe(utc);
    for (const text of [
      "2030-06-01 12:00:00Z",
      "2030-06-01",
      "2030-13-01T00:00:00Z",
      "2030-06-01T24:00:00Z",
      "2030-06-01T12:00:00+99:00",
      "1",
    ])
      expect(parseTime(text)).toBeNull();
  });
});

test.each([
  ["/home/ubuntu/a-b_c@d+e.f", "/home/ubuntu/a-b_c@d+e.f"],
  ["relative", "/home/ubuntu/workspace"],
  ["/a/../../etc", "/home/ubuntu/workspace"],
  ["/a b", "/home/ubuntu/workspace"],
  ["/a;id", "/home/ubuntu/workspace"],
  ["/a\nb", "/home/ubuntu/workspace"],
  [null, "/home/ubuntu/workspace"],
])("of the workdir %j comes %s", (given, workdir) => {
  expect(validate({ workdir: given }).workdir).toBe(workdir);
});

test("capabilities that nobody knows are ignored, and none at all means all", () => {
  expect(validate({ capabilities: ["sftp", "root", "exec"] }).capabilities).toEqual(["exec", "sftp"]);
  expect(validate({ capabilities: [] }).capabilities).toEqual([]);
  expect(validate({}).capabilities).toBeNull();
});

test("a harmless ssh_config does not matter", () => {
  expect(validate({ ssh_config: "Host x\n  HostName y\n  # ProxyCommand is not used\n  IncludeMe no" }).host).toBe(
    "127.0.0.1",
  );
});

test("a link with a credential, or to another kind of thing, is none", () => {
  expect(safeWebUrl("https://example.org/a?b")).toBe("https://example.org/a?b");
  expect(safeWebUrl("https://u:p@example.org/")).toBeNull();
  expect(safeWebUrl("javascript:alert(1)")).toBeNull();
  expect(validate({ web_url: "javascript:alert(1)" }).webUrl).toBeNull();
});
