/** Where a named yard keeps what outlives it, its leases: `$XDG_STATE_HOME/netyard/NAME/`, made when there is something. */
import { isAbsolute, join } from 'node:path';
import { homeDirectory } from '../node/index.ts';
import type { Plan } from './plan.ts';
import type { ScannedOption } from './scan-options.ts';

/** undefined for a yard whose name nobody said, and with -nodefaults: it keeps nothing. */
export function stateDirectory(
  plan: Plan,
  scanned: readonly ScannedOption[],
  env: NodeJS.ProcessEnv = process.env,
): string | undefined {
  const isNamed = scanned.some((option) => option.name === 'name');
  if (plan.name === undefined || !isNamed || !plan.useSwitch) return undefined;
  const root = stateRoot(env);
  return root === undefined ? undefined : join(root, 'netyard', plan.name);
}

/** A relative path is invalid by the XDG specification. */
function stateRoot(env: NodeJS.ProcessEnv): string | undefined {
  const xdg = env['XDG_STATE_HOME'];
  if (xdg !== undefined && isAbsolute(xdg)) return xdg;
  // '' for an id without an entry in passwd.
  const home = env['HOME'] ?? homeDirectory();
  return isAbsolute(home) ? join(home, '.local', 'state') : undefined;
}
