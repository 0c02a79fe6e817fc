/** The program's log: one JSON object a line on stderr, warnings and errors unless NETYARD_LOG says otherwise. */
import type { Log } from '../net/index.ts';

const LEVELS = ['debug', 'info', 'warn', 'error'] as const;
type Level = (typeof LEVELS)[number];

export function createLog(env: NodeJS.ProcessEnv = process.env): Log {
  const wanted = LEVELS.indexOf((env['NETYARD_LOG'] ?? 'warn') as Level);
  const threshold = wanted === -1 ? LEVELS.indexOf('warn') : wanted;
  const writer = (level: Level) => (message: string, fields?: Record<string, unknown>) => {
    if (LEVELS.indexOf(level) < threshold) return;
    process.stderr.write(`${JSON.stringify({ time: new Date().toISOString(), level, message, ...fields })}\n`);
  };
  return { debug: writer('debug'), info: writer('info'), warn: writer('warn'), error: writer('error') };
}
