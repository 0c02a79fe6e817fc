/** Finds and loads the addon, once per thread. */
import { existsSync } from 'node:fs';
import { createRequire } from 'node:module';
import { constants } from 'node:os';
import { dirname, join } from 'node:path';
import { fileURLToPath } from 'node:url';
import type { NativeBinding } from './binding.ts';

/** What native/module.c says as well. */
const ABI = 1;

export type Loaded = { readonly binding: NativeBinding } | { readonly reason: string };

let loaded: Loaded | undefined;

/** The addon, or why there is none. */
export function loadNative(): Loaded {
  loaded ??= load();
  return loaded;
}

function load(): Loaded {
  if (process.platform !== 'linux') return { reason: 'the native layer is for Linux' };
  const require = createRequire(import.meta.url);
  const root = packageRoot();
  const tried: string[] = [];
  for (const path of candidates(root)) {
    if (!existsSync(path)) continue;
    try {
      const binding = require(path) as NativeBinding;
      if (binding.abi === ABI) return { binding: { ...binding, errnoName } };
      tried.push(`${path}: made for another version`);
    } catch (error) {
      tried.push(`${path}: ${(error as Error).message}`);
    }
  }
  return { reason: tried.length === 0 ? 'the native layer is not built' : tried.join('; ') };
}

function candidates(root: string): string[] {
  return [join(root, 'native', 'build', 'netyard.node')];
}

/** The nearest folder above with a package.json: the same from src/, dist/ and the bundled program. */
function packageRoot(): string {
  let folder = dirname(fileURLToPath(import.meta.url));
  while (!existsSync(join(folder, 'package.json')) && dirname(folder) !== folder) folder = dirname(folder);
  return folder;
}

const names = new Map<number, string>();
for (const [name, number] of Object.entries(constants.errno)) {
  // EWOULDBLOCK and EOPNOTSUPP have two names: the first is the usual one.
  if (!names.has(number) && name !== 'EWOULDBLOCK') names.set(number, name);
}
names.set(constants.errno.EAGAIN, 'EAGAIN');
names.set(112, 'EHOSTDOWN');
names.set(77, 'EBADFD');

function errnoName(errno: number): string {
  return names.get(errno) ?? `E${errno}`;
}
