// How far a transfer has come, in words, no more often than a person can read.
import type { Clock } from "../../platform/clock.ts";

const UNITS = ["B", "KiB", "MiB", "GiB", "TiB"];
const EVERY_MS = 100;

/** 1536 → "1.5 KiB" */
export function size(bytes: number): string {
  const unit = Math.min(UNITS.length - 1, bytes < 1 ? 0 : Math.floor(Math.log2(bytes) / 10));
  return unit === 0 ? `${bytes} B` : `${(bytes / 1024 ** unit).toFixed(1)} ${UNITS[unit]}`;
}

export interface Meter {
  /** The bytes so far, all of them where that is known, and the files so far where there are several. */
  (bytes: number, total?: number, files?: number): void;
}

/** Takes what is under way, where to say it, and the time; gives what the transfer calls as often as it likes. */
export function meter(what: string, phase: { update(text: string): void }, clock: Clock): Meter {
  const start = clock.now();
  let last = start;
  return (bytes, total, files) => {
    const time = clock.now();
    if (time - last < EVERY_MS) return;
    last = time;
    const done = total ? `${size(bytes)} of ${size(total)}, ${Math.floor((bytes / total) * 100)} %` : size(bytes);
    const rate = `${size(Math.round((bytes / (time - start)) * 1000))}/s`;
    phase.update(`${what}: ${files === undefined ? "" : `${files} files, `}${done}, ${rate}`);
  };
}
