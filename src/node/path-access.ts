/**
 * Who may use a socket's path. Its directory may be somebody else's, who can put a link or another file in the path's place
 * at any moment: group and mode are set on the file itself, held by a descriptor, and only when that is a socket of ours.
 */
import {
  chmodSync,
  chownSync,
  closeSync,
  constants,
  fchmodSync,
  fstatSync,
  lchmodSync,
  openSync,
  readFileSync,
  statSync,
} from 'node:fs';
import { type DatagramOptions, HostError, type SocketAddress } from '../net/index.ts';
import { toHostError } from './errno.ts';

const GROUPS_FILE = '/etc/group';
/** open(2): the file itself, whatever it is. */
const O_PATH = 0o10000000;
/** chown(2): leave it. */
const SAME = -1;
const ALL_BITS = 0o7777;
const ALL_OF_GROUP = 0o070;
const ALL_OF_OTHERS = 0o077;
/** Of a path that lets nobody in yet. No other socket of ours has it: a hard link to one of those is known by that. */
const CLOSED = 0;

/** Before bind(2): the path is then made without any permission, whatever the umask. @throws HostError */
export function closePath(descriptor: number): void {
  try {
    fchmodSync(descriptor, CLOSED);
  } catch (error) {
    throw toHostError(error);
  }
}

/** Gives a path that closePath closed its mode, unless giveAccess did. @throws HostError */
export function openPath(path: string, mode: number): void {
  onOwnSocket(path, (file, bits) => {
    if (bits === CLOSED) chmodSync(file, mode);
  });
}

/** The mode of a path that a socket of ours made just now. @throws HostError */
export function setPathMode(path: string, mode: number): void {
  // macOS has no O_PATH, but a call that follows no link; Linux has no such call.
  if (lchmodSync !== undefined) lchmodSync(path, mode);
  else onOwnSocket(path, (file) => chmodSync(file, mode));
}

/**
 * Does what DatagramOptions.group and usableBy ask for, to a path that was closed if there is a mode for it; does nothing
 * for names that are no paths.
 * @throws HostError EINVAL for a group that does not exist; what chown and chmod refuse.
 */
export function giveAccess(at: SocketAddress, options: DatagramOptions): void {
  if (at.family !== 'unix' || at.path.startsWith('\0')) return;
  const { path } = at;
  const { group, usableBy, mode } = options;
  const access = group === undefined ? accessOfOwner(usableBy, mode) : { group: groupNumber(group), mode: undefined };
  if (access === undefined) return;
  onOwnSocket(path, (file, bits) => {
    if (mode !== undefined && bits !== CLOSED) throw replaced(path);
    if (access.mode === undefined) {
      chownSync(file, SAME, access.group);
      return;
    }
    let extended = access.mode | ALL_OF_GROUP;
    try {
      chownSync(file, SAME, access.group);
    } catch {
      extended = access.mode | ALL_OF_OTHERS;
    }
    chmodSync(file, extended);
  });
}

/** The group that must be let in, with the mode to extend; undefined = nobody is to be added. */
function accessOfOwner(
  usableBy: string | undefined,
  mode: number | undefined,
): { group: number; mode: number } | undefined {
  if (usableBy === undefined || mode === undefined || (mode & ALL_OF_OTHERS) !== 0) return undefined;
  try {
    const { uid, gid } = statSync(usableBy);
    return uid === 0 || uid === process.geteuid?.() ? undefined : { group: gid, mode };
  } catch (error) {
    throw toHostError(error);
  }
}

/** @param use gets a name of the file that nobody can change, and its permission bits. */
function onOwnSocket(path: string, use: (file: string, bits: number) => void): void {
  let descriptor: number | undefined;
  try {
    descriptor = openSync(path, O_PATH | constants.O_NOFOLLOW);
    const found = fstatSync(descriptor);
    if (!found.isSocket() || found.uid !== process.geteuid?.()) throw replaced(path);
    use(`/proc/self/fd/${descriptor}`, found.mode & ALL_BITS);
  } catch (error) {
    throw toHostError(error);
  } finally {
    if (descriptor !== undefined) closeSync(descriptor);
  }
}

const replaced = (path: string): HostError =>
  new HostError('EACCES', `somebody replaced the socket ${path} while it was made`);

/** Groups of /etc/group by name, all by number. */
function groupNumber(text: string): number {
  if (/^[0-9]{1,9}$/.test(text)) return Number(text);
  for (const line of readFileSync(GROUPS_FILE, 'utf8').split('\n')) {
    const [name, , number] = line.split(':');
    if (name === text && number !== undefined) return Number(number);
  }
  throw new HostError('EINVAL', `there is no group '${text}'`);
}
