/** Where a named yard keeps its sockets: `$XDG_RUNTIME_DIR/netyard/NAME/`, mode 0700, made before anything binds. */
import { chmodSync, existsSync, lstatSync, mkdirSync, readdirSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { dirname, isAbsolute, join } from 'node:path';
import { CommandLineError } from './scan-options.ts';

/** sun_path holds 108 bytes with its final NUL. */
export const MAX_SOCKET_PATH = 107;
export const QMP_SOCKET = 'qmp.sock';
export const GUEST_SOCKET = 'guests.sock';
export const DEFAULT_NAME = 'default';
const MAX_ATTEMPTS = 50;

export function runtimeRoot(env: NodeJS.ProcessEnv = process.env): string {
  const xdg = env['XDG_RUNTIME_DIR'];
  // A relative one is invalid by the XDG specification: from another directory nobody would find the yard.
  if (xdg !== undefined && isAbsolute(xdg)) return join(xdg, 'netyard');
  // An id without an entry in passwd has no user info.
  const uid = process.getuid?.();
  const systemd = `/run/user/${uid}`;
  return existsSync(systemd) ? join(systemd, 'netyard') : join(tmpdir(), `netyard-${uid}`);
}

export function runtimeDirectory(name: string): string {
  return join(runtimeRoot(), name);
}

/** Names of the yards that have a directory under a root, running or left behind. */
export function namesIn(root: string): string[] {
  try {
    return readdirSync(root).filter(isName).sort();
  } catch {
    // Not there, or not ours to look into.
    return [];
  }
}

const NAME = /^[A-Za-z0-9][A-Za-z0-9._-]*$/;
const NAME_RULE = "a name is letters, digits, '-', '.', '_' and starts with a letter or digit";

export function isName(word: string): boolean {
  return NAME.test(word);
}

/** @throws CommandLineError for a name that is no single path component. */
export function checkName(name: string): void {
  if (!isName(name)) throw new CommandLineError(`-name ${name}: ${NAME_RULE}`);
  checkSocketPath(join(runtimeDirectory(name), GUEST_SOCKET));
}

/**
 * The directory of a yard that may be running. In a place that others can write to, somebody else's directory could name
 * any process as the yard, or any socket as its monitor.
 * @throws CommandLineError for a word that is no name, or if a directory on the way is not this user's.
 */
export function ownDirectory(name: string): string {
  if (!isName(name)) throw new CommandLineError(`'${name}' is not the name of a yard: ${NAME_RULE}`);
  const directory = runtimeDirectory(name);
  checkSocketPath(join(directory, GUEST_SOCKET));
  for (const path of [runtimeRoot(), directory]) if (existsSync(path)) checkOwner(path);
  return directory;
}

/** @throws CommandLineError for a path a unix socket cannot have. */
export function checkSocketPath(path: string): void {
  const length = Buffer.byteLength(path);
  if (length > MAX_SOCKET_PATH) {
    throw new CommandLineError(
      `socket path is ${length} bytes, the system takes at most ${MAX_SOCKET_PATH}: ${path}: choose a shorter -name or XDG_RUNTIME_DIR`,
    );
  }
}

/** Makes the directory, 0700 and ours. @throws CommandLineError if somebody else owns it or it is no directory. */
export function makeRuntimeDirectory(name: string): string {
  const directory = runtimeDirectory(name);
  for (let attempt = 1; ; attempt++) {
    try {
      for (const path of [runtimeRoot(), directory]) {
        makeDirectory(path);
        checkOwner(path);
        chmodSync(path, 0o700);
      }
      return directory;
    } catch (error) {
      // A yard that ends removes what is empty, also between two of these steps.
      const isGone = error instanceof Error && 'code' in error && error.code === 'ENOENT';
      if (!isGone || attempt === MAX_ATTEMPTS) throw error;
    }
  }
}

/** With those above it. Node's own recursive mkdir never returns where the system refuses with ENOENT, as in /proc. */
function makeDirectory(path: string): void {
  try {
    mkdirSync(path, { mode: 0o700 });
  } catch (error) {
    const code = error instanceof Error && 'code' in error ? error.code : undefined;
    if (code === 'EEXIST') return;
    const above = dirname(path);
    if (code !== 'ENOENT' || above === path || existsSync(above)) throw error;
    makeDirectory(above);
    mkdirSync(path, { mode: 0o700 });
  }
}

function checkOwner(path: string): void {
  const found = lstatSync(path);
  const uid = process.getuid?.();
  if (!found.isDirectory() || (uid !== undefined && found.uid !== uid)) {
    throw new CommandLineError(`${path} is not a directory of this user: remove it, or set XDG_RUNTIME_DIR`);
  }
}
