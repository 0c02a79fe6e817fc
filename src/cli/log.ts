/**
 * The program's log: one JSON object a line on stderr, from a level on that NETYARD_LOG may set. Guests and peers cause
 * lines: of each kind, which is its level, text, netdev and port, only so many are written, and the others are summed up.
 */
import type { Log } from '../net/index.ts';
import { writeError } from './output.ts';

/** Lines of one kind at once. */
export const LINES_AT_ONCE = 20;
/** And then this many a minute. */
export const LINES_A_MINUTE = 20;
/** Kinds that are told apart; further ones of one level share their allowance. Those that were quiet for long are forgotten. */
export const MAX_KINDS = 1024;
/** After this long without a line, a kind may write as many as a new one. */
const FULL_MS = (LINES_AT_ONCE / LINES_A_MINUTE) * 60_000;
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

type Fields = Record<string, unknown>;

export interface ProgramLog extends Log {
  /** Writes how many lines of each kind were held back: at the end of the program. */
  sumUp(): void;
}

interface Kind {
  readonly level: Level;
  readonly message: string;
  /** What it is about. */
  readonly about: Fields;
  allowance: number;
  since: number;
  suppressed: number;
}

export function createLog(options: LogOptions = {}): ProgramLog {
  const { level = 'info', env = process.env, write = writeError, now = () => performance.now() } = options;
  const wanted = LEVELS.indexOf((env['NETYARD_LOG'] ?? level) as Level);
  const threshold = wanted === -1 ? LEVELS.indexOf(level) : wanted;
  const kinds = new LineKinds(now);
  let summing: NodeJS.Timeout | undefined;
  const line = (level: Level, message: string, fields?: Fields): void =>
    write(`${JSON.stringify({ time: new Date().toISOString(), level, message, ...fields }, readable)}\n`);
  const sumUp = (): void => {
    clearTimeout(summing);
    summing = undefined;
    for (const { level, message, about, count } of kinds.takeSuppressed()) {
      line(level, message, { ...about, suppressed: count });
    }
  };
  const writer = (level: Level) => (message: string, fields?: Fields) => {
    if (LEVELS.indexOf(level) < threshold) return;
    // Who asks for debugging wants all of it.
    const suppressed = level === 'debug' ? 0 : kinds.take(level, message, fields);
    if (suppressed !== undefined) line(level, message, suppressed === 0 ? fields : { ...fields, suppressed });
    else if (summing === undefined) summing = setTimeout(sumUp, SUM_UP_MS).unref();
  };
  return { debug: writer('debug'), info: writer('info'), warn: writer('warn'), error: writer('error'), sumUp };
}

/** What JSON has no form for, or an empty one. */
function readable(_key: string, value: unknown): unknown {
  if (value instanceof Error) return value.stack ?? value.message;
  return typeof value === 'bigint' ? String(value) : value;
}

/** What each kind of line may still write. */
class LineKinds {
  readonly #now: () => number;
  /** The one that was quiet for longest first. */
  readonly #kinds = new Map<string, Kind>();

  constructor(now: () => number) {
    this.#now = now;
  }

  /** undefined: the line is held back. Else it may be written, and this many were held back before it. */
  take(level: Level, message: string, fields: Fields | undefined): number | undefined {
    const now = this.#now();
    const kind = this.#kind(level, message, fields, now);
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

  takeSuppressed(): { level: Level; message: string; about: Fields; count: number }[] {
    const held = [...this.#kinds.values()].filter(({ suppressed }) => suppressed > 0);
    return held.map((kind) => {
      const { level, message, about, suppressed: count } = kind;
      kind.suppressed = 0;
      return { level, message, about, count };
    });
  }

  #kind(level: Level, message: string, fields: Fields | undefined, now: number): Kind {
    const about: Fields = {};
    for (const name of ['netdev', 'port']) if (typeof fields?.[name] === 'string') about[name] = fields[name];
    const own = JSON.stringify([level, message, about]);
    if (!this.#kinds.has(own)) this.#forgetQuiet(now);
    const isOwn = this.#kinds.has(own) || this.#kinds.size < MAX_KINDS;
    const key = isOwn ? own : level;
    const kind = this.#kinds.get(key) ?? {
      level,
      message: isOwn ? message : 'lines of further kinds',
      about: isOwn ? about : {},
      allowance: LINES_AT_ONCE,
      since: now,
      suppressed: 0,
    };
    this.#kinds.delete(key);
    this.#kinds.set(key, kind);
    return kind;
  }

  /** A kind that may write all of its lines again is as good as a new one. */
  #forgetQuiet(now: number): void {
    for (const [key, { since, suppressed }] of this.#kinds) {
      if (now - since < FULL_MS || suppressed > 0) return;
      this.#kinds.delete(key);
    }
  }
}
