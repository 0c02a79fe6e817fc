/**
 * The program's log: one JSON object a line on stderr, from a level on that NETYARD_LOG may set. Guests and peers cause
 * lines: of each kind, which is its level and text, only so many are written, and the others are summed up.
 */
import type { Log } from '../net/index.ts';
import { writeError } from './output.ts';

/** Lines of one kind at once. */
export const LINES_AT_ONCE = 20;
/** And then this many a minute. */
export const LINES_A_MINUTE = 20;
/** Kinds that are told apart; further ones of one level share their allowance. */
export const MAX_KINDS = 256;
/** What was held back is summed up after this long, if no line of its kind did before. */
const SUM_UP_MS = 60_000;

const LEVELS = ['debug', 'info', 'warn', 'error'] as const;
type Level = (typeof LEVELS)[number];

export interface LogOptions {
  /** The lowest level that is written, unless NETYARD_LOG names another. */
  readonly level?: Level;
  readonly env?: NodeJS.ProcessEnv;
  readonly write?: (line: string) => void;
  /** Monotonic milliseconds. */
  readonly now?: () => number;
}

interface Kind {
  readonly level: Level;
  readonly message: string;
  allowance: number;
  since: number;
  suppressed: number;
}

export function createLog(options: LogOptions = {}): Log {
  const { level = 'info', env = process.env, write = writeError, now = () => performance.now() } = options;
  const wanted = LEVELS.indexOf((env['NETYARD_LOG'] ?? level) as Level);
  const threshold = wanted === -1 ? LEVELS.indexOf(level) : wanted;
  const kinds = new LineKinds(now);
  let summing: NodeJS.Timeout | undefined;
  const line = (level: Level, message: string, fields?: Record<string, unknown>): void =>
    write(`${JSON.stringify({ time: new Date().toISOString(), level, message, ...fields }, readable)}\n`);
  const sumUp = (): void => {
    summing = undefined;
    for (const { level, message, count } of kinds.takeSuppressed()) line(level, message, { suppressed: count });
  };
  const writer = (level: Level) => (message: string, fields?: Record<string, unknown>) => {
    if (LEVELS.indexOf(level) < threshold) return;
    // Who asks for debugging wants all of it.
    const suppressed = level === 'debug' ? 0 : kinds.take(level, message);
    if (suppressed !== undefined) line(level, message, suppressed === 0 ? fields : { ...fields, suppressed });
    else if (summing === undefined) summing = setTimeout(sumUp, SUM_UP_MS).unref();
  };
  return { debug: writer('debug'), info: writer('info'), warn: writer('warn'), error: writer('error') };
}

/** What JSON has no form for, or an empty one. */
function readable(_key: string, value: unknown): unknown {
  if (value instanceof Error) return value.stack ?? value.message;
  return typeof value === 'bigint' ? String(value) : value;
}

/** What each kind of line may still write. */
class LineKinds {
  readonly #now: () => number;
  readonly #kinds = new Map<string, Kind>();

  constructor(now: () => number) {
    this.#now = now;
  }

  /** undefined: the line is held back. Else it may be written, and this many were held back before it. */
  take(level: Level, message: string): number | undefined {
    const now = this.#now();
    const kind = this.#kind(level, message, now);
    kind.allowance = Math.min(LINES_AT_ONCE, kind.allowance + ((now - kind.since) / 60_000) * LINES_A_MINUTE);
    kind.since = now;
    if (kind.allowance < 1) {
      kind.suppressed++;
      return undefined;
    }
    kind.allowance--;
    const { suppressed } = kind;
    kind.suppressed = 0;
    return suppressed;
  }

  takeSuppressed(): { level: Level; message: string; count: number }[] {
    const held = [...this.#kinds.values()].filter(({ suppressed }) => suppressed > 0);
    return held.map((kind) => {
      const { level, message, suppressed: count } = kind;
      kind.suppressed = 0;
      return { level, message, count };
    });
  }

  #kind(level: Level, message: string, now: number): Kind {
    const own = `${level} ${message}`;
    const key = this.#kinds.has(own) || this.#kinds.size < MAX_KINDS ? own : level;
    let kind = this.#kinds.get(key);
    if (kind === undefined) {
      kind = {
        level,
        message: key === own ? message : 'lines of further kinds',
        allowance: LINES_AT_ONCE,
        since: now,
        suppressed: 0,
      };
      this.#kinds.set(key, kind);
    }
    return kind;
  }
}
