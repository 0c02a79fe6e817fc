/** Yards of this user that run with another runtime directory: started under another XDG_RUNTIME_DIR, or without one. */
import { existsSync, lstatSync, readdirSync, readFileSync, statSync } from 'node:fs';
import { join } from 'node:path';
import { holderOf } from './claim.ts';
import { namesIn, runtimeRoot } from './runtime-directory.ts';

export interface YardsElsewhere {
  readonly root: string;
  /** What XDG_RUNTIME_DIR was to them, if they had one. */
  readonly xdg: string | undefined;
  readonly names: readonly string[];
}

/** Found by what this user's processes have in their environment: whoever runs a yard is one of them. */
export function yardsElsewhere(): YardsElsewhere[] {
  const roots = new Map<string, string | undefined>();
  for (const xdg of [undefined, ...directoriesOfProcesses()]) {
    roots.set(runtimeRoot(xdg === undefined ? {} : { XDG_RUNTIME_DIR: xdg }), xdg);
  }
  roots.delete(runtimeRoot());
  return [...roots].flatMap(([root, xdg]) => {
    const names = runningIn(root);
    return names.length === 0 ? [] : [{ root, xdg, names }];
  });
}

/** Names of the yards that run under a root. Somebody else's directory could name any process as a yard. */
export function runningIn(root: string): string[] {
  return namesIn(root).filter((name) => {
    const directory = join(root, name);
    return isOwnDirectory(root) && isOwnDirectory(directory) && holderOf(directory) !== undefined;
  });
}

function isOwnDirectory(path: string): boolean {
  const found = lstatSync(path, { throwIfNoEntry: false });
  return found?.isDirectory() === true && found.uid === process.getuid?.();
}

function directoriesOfProcesses(): Set<string> {
  const found = new Set<string>();
  if (!existsSync('/proc/self/environ')) return found;
  for (const pid of readdirSync('/proc')) {
    if (!/^\d+$/.test(pid)) continue;
    const xdg = runtimeDirectoryOf(pid);
    if (xdg !== undefined) found.add(xdg);
  }
  return found;
}

function runtimeDirectoryOf(pid: string): string | undefined {
  try {
    if (statSync(`/proc/${pid}`).uid !== process.getuid?.()) return undefined;
    return /(?:^|\0)XDG_RUNTIME_DIR=([^\0]+)/.exec(readFileSync(`/proc/${pid}/environ`, 'utf8'))?.[1];
  } catch {
    // It ended, or does not let itself be looked at.
    return undefined;
  }
}
