/**
 * Writer of the "newc" cpio format, the one the Linux kernel unpacks as an initramfs (kernel documentation,
 * "initramfs buffer format"). Written here because device nodes in an archive need no privilege, while mknod(2) does.
 */

export interface CpioEntry {
  readonly path: string;
  /** st_mode: type and permission bits, as in S_IFREG | 0o644. */
  readonly mode: number;
  readonly data?: Uint8Array;
  /** Major and minor of a device node. */
  readonly device?: readonly [number, number];
}

export const directory = (path: string): CpioEntry => ({ path, mode: 0o040755 });
export const regularFile = (path: string, data: Uint8Array, permissions = 0o644): CpioEntry => ({
  path,
  mode: 0o100000 | permissions,
  data,
});
export const characterDevice = (path: string, major: number, minor: number): CpioEntry => ({
  path,
  mode: 0o020600,
  device: [major, minor],
});

/** The archive's bytes, trailer included. The same entries give the same bytes. */
export function writeCpio(entries: readonly CpioEntry[]): Uint8Array {
  const parts: Buffer[] = [];
  let inode = 1;
  for (const entry of [...entries, { path: 'TRAILER!!!', mode: 0 }]) {
    const name = Buffer.from(`${entry.path}\0`);
    const data = 'data' in entry && entry.data !== undefined ? Buffer.from(entry.data) : Buffer.alloc(0);
    const [major, minor] = 'device' in entry && entry.device !== undefined ? entry.device : [0, 0];
    const fields = [inode++, entry.mode, 0, 0, 1, 0, data.length, 0, 0, major, minor, name.length, 0];
    const header = Buffer.from(`070701${fields.map((field) => field.toString(16).padStart(8, '0')).join('')}`);
    parts.push(header, name, padding(header.length + name.length), data, padding(data.length));
  }
  return Buffer.concat(parts);
}

const padding = (length: number): Buffer => Buffer.alloc((4 - (length % 4)) % 4);
