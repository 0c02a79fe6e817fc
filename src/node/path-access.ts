/** Who may use a socket's path beside its owner. */
import { chmodSync, chownSync, readFileSync, statSync } from 'node:fs';
import { type DatagramOptions, HostError, type SocketAddress } from '../net/index.ts';

const GROUPS_FILE = '/etc/group';
/** chown(2): leave it. */
const SAME = -1;
const ALL_OF_GROUP = 0o070;
const ALL_OF_OTHERS = 0o077;

/**
 * Does what DatagramOptions.group and usableBy ask for; does nothing for names that are no paths.
 * @throws HostError EINVAL for a group that does not exist; what chown and chmod throw.
 */
export function giveAccess(at: SocketAddress, options: DatagramOptions): void {
  if (at.family !== 'unix' || at.path.startsWith('\0')) return;
  const { group, usableBy, mode } = options;
  if (group !== undefined) {
    chownSync(at.path, SAME, groupNumber(group));
    return;
  }
  if (usableBy === undefined || mode === undefined || (mode & ALL_OF_OTHERS) !== 0) return;
  const owner = statSync(usableBy);
  if (owner.uid === 0 || owner.uid === process.geteuid?.()) return;
  let extended = mode | ALL_OF_GROUP;
  try {
    chownSync(at.path, SAME, owner.gid);
  } catch {
    extended = mode | ALL_OF_OTHERS;
  }
  chmodSync(at.path, extended);
}

/** Groups of /etc/group by name, all by number. */
function groupNumber(text: string): number {
  if (/^[0-9]{1,9}$/.test(text)) return Number(text);
  for (const line of readFileSync(GROUPS_FILE, 'utf8').split('\n')) {
    const [name, , number] = line.split(':');
    if (name === text && number !== undefined) return Number(number);
  }
  throw new HostError('EINVAL', `there is no group '${text}'`);
}
