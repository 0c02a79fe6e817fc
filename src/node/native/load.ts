/** Finds and loads the addon, once per thread. */
import { closeSync, existsSync, openSync, readSync, statSync } from 'node:fs';
import { createRequire } from 'node:module';
import { constants } from 'node:os';
import { dirname, isAbsolute, join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { VERSION } from '../../version.ts';
import { homeDirectory } from '../identity.ts';
import type { NativeBinding } from './binding.ts';

/** What native/module.c says as well. */
const ABI = 4;

export type Loaded =
  | { readonly binding: NativeBinding; readonly path: string }
  | {
      /** Why there is none: a line for people. */
      readonly reason: string;
    };

let loaded: Loaded | undefined;

/** The addon, or why there is none. */
export function loadNative(): Loaded {
  loaded ??= load();
  return loaded;
}

function load(): Loaded {
  if (process.platform !== 'linux') return { reason: 'the native layer is for Linux' };
  const require = createRequire(import.meta.url);
  const tried: string[] = [];
  for (const path of candidates()) {
    if (!existsSync(path)) continue;
    try {
      const binding = require(path) as NativeBinding;
      if (binding.abi === ABI) return { binding: { ...binding, errnoName }, path };
      tried.push(`${path}: made for another version`);
    } catch (error) {
      tried.push(`${path}: ${(error as Error).message}`);
    }
  }
  if (tried.length > 0) return { reason: tried.join('; ') };
  return { reason: 'the native layer is not built: `netyard doctor --build` compiles it' };
}

/** Compiled here, then prebuilt: who compiled had a reason. */
function candidates(): string[] {
  const root = packageRoot();
  const prebuilt = join(root, 'prebuilds', `linux-${process.arch}`, runsOnMusl() ? 'musl.node' : 'glibc.node');
  const cached = cachedAddon();
  return [builtAddon(), ...(cached !== undefined && isOurs(cached) ? [cached] : []), prebuilt];
}

/** Where the build puts it: in the package. */
export function builtAddon(): string {
  return join(packageRoot(), 'native', 'build', 'netyard.node');
}

/** Where `netyard doctor --build` puts it when the package belongs to somebody else. Nowhere for a user without a home. */
export function cachedAddon(env: NodeJS.ProcessEnv = process.env): string | undefined {
  const given = env['XDG_CACHE_HOME'];
  const home = homeDirectory();
  const cache = given !== undefined && isAbsolute(given) ? given : home === '' ? undefined : join(home, '.cache');
  if (cache === undefined) return undefined;
  const libc = runsOnMusl() ? 'musl' : 'glibc';
  return join(cache, 'netyard', VERSION, `linux-${process.arch}-${libc}`, 'netyard.node');
}

/** Code that another user could have put there is not run: with sudo the cache may be that of somebody else. */
function isOurs(path: string): boolean {
  try {
    const folder = statSync(dirname(path));
    return [folder, statSync(path)].every(({ uid, mode }) => uid === process.geteuid?.() && (mode & 0o022) === 0);
  } catch {
    return false;
  }
}

/** By the program interpreter that Node itself names, within its first page. */
function runsOnMusl(): boolean {
  const head = Buffer.alloc(4096);
  let descriptor: number | undefined;
  try {
    descriptor = openSync(process.execPath, 'r');
    return head.subarray(0, readSync(descriptor, head)).includes('/ld-musl-');
  } catch {
    return false;
  } finally {
    if (descriptor !== undefined) closeSync(descriptor);
  }
}

/** The nearest folder above with a package.json: the same from src/, dist/ and the bundled program. */
export function packageRoot(): string {
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
