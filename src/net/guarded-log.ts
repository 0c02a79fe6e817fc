/** A log of a caller's: what it throws, at once or later, never reaches who logs. */
import type { Log } from './host.ts';

type Level = keyof Log;

/**
 * What a failure kept back is told by the next line that goes through: `lost` says how many.
 * @param failed is called for each failure.
 */
export function guardedLog(log: Log, failed: () => void = () => {}): Log {
  let lost = 0;
  const fail = (): void => {
    lost++;
    failed();
  };
  const writer = (level: Level) => (message: string, fields?: Record<string, unknown>) => {
    const told = lost;
    try {
      const result: unknown = log[level](message, told === 0 ? fields : { ...fields, lost: told });
      // An asynchronous one fails later.
      if (result instanceof Promise) result.catch(fail);
      lost -= told;
    } catch {
      fail();
    }
  };
  return { debug: writer('debug'), info: writer('info'), warn: writer('warn'), error: writer('error') };
}
