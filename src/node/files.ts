import { constants, type Stats } from 'node:fs';
import { type FileHandle, mkdir, open, realpath, rename, stat, unlink } from 'node:fs/promises';
import { basename, dirname, join, resolve, sep } from 'node:path';
import { type Files, HostError } from '../net/index.ts';
import { hostError, toHostError } from './errno.ts';

/** Mode of a new file: leases and the like are nobody else's business. */
const FILE_MODE = 0o600;
/** Of an existing one, what is taken over: who may read and write it. */
const PERMISSIONS = 0o777;
/** Without waiting for the other end of a pipe. */
const READ_AT_ONCE = constants.O_RDONLY | constants.O_NONBLOCK;
const FOLDER_MODE = 0o700;

/** Reads and writes below a root directory only. */
export class NodeFiles implements Files {
  /** undefined: anywhere, and relative paths are those of the process. */
  readonly #root: string | undefined;
  #written = 0;

  constructor(root?: string) {
    this.#root = root === undefined ? undefined : resolve(root);
  }

  async read(path: string, limit: number): Promise<Uint8Array> {
    const full = this.#resolve(path);
    try {
      const file = await open(full, READ_AT_ONCE);
      try {
        const stat = await file.stat();
        if (!stat.isFile()) throw hostError(stat.isDirectory() ? 'EISDIR' : 'EINVAL');
        if (stat.size > limit) throw hostError('EFBIG');
        const bytes = new Uint8Array(stat.size);
        const { bytesRead } = await file.read(bytes, 0, bytes.length, 0);
        return bytes.subarray(0, bytesRead);
      } finally {
        await file.close();
      }
    } catch (error) {
      throw asHostError(error);
    }
  }

  async write(path: string, bytes: Uint8Array): Promise<void> {
    const full = this.#resolve(path);
    try {
      await mkdir(dirname(full), { recursive: true, mode: FOLDER_MODE });
      const { target, before } = await writable(full);
      this.#checkBelow(target);
      // In the same folder: a rename does not cross file systems.
      const beside = join(dirname(target), `.${basename(target)}.${process.pid}.${this.#written++}`);
      await writeNew(beside, bytes, before);
      try {
        await rename(beside, target);
      } catch (error) {
        await unlink(beside);
        throw error;
      }
    } catch (error) {
      throw asHostError(error);
    }
  }

  #resolve(path: string): string {
    if (this.#root === undefined) return resolve(path);
    const full = resolve(this.#root, path);
    this.#checkBelow(full);
    return full;
  }

  #checkBelow(full: string): void {
    if (this.#root === undefined) return;
    const below = this.#root.endsWith(sep) ? this.#root : this.#root + sep;
    if (!full.startsWith(below)) throw hostError('EACCES');
  }
}

/** The file that a path leads to: a device or a socket must not become a file by our rename. */
async function writable(path: string): Promise<{ target: string; before: Stats | undefined }> {
  try {
    const target = await realpath(path);
    const before = await stat(target);
    if (!before.isFile()) throw hostError(before.isDirectory() ? 'EISDIR' : 'EINVAL');
    return { target, before };
  } catch (error) {
    if (codeOf(error) !== 'ENOENT') throw error;
    return { target: join(await realpath(dirname(path)), basename(path)), before: undefined };
  }
}

/** A file that takes the place of another one, with all of its bytes on the disk. */
async function writeNew(path: string, bytes: Uint8Array, before: Stats | undefined): Promise<void> {
  const file = await create(path);
  try {
    if (before !== undefined) await takeOver(file, before);
    await file.writeFile(bytes);
    await file.datasync();
  } catch (error) {
    await unlink(path);
    throw error;
  } finally {
    await file.close();
  }
}

async function create(path: string): Promise<FileHandle> {
  try {
    return await open(path, 'wx', FILE_MODE);
  } catch (error) {
    if (codeOf(error) !== 'EEXIST') throw error;
    // Of a process that was killed while it wrote: in a container every one has the same number.
    await unlink(path);
    return open(path, 'wx', FILE_MODE);
  }
}

/** Whoever could read and write the file before still can. */
async function takeOver(file: FileHandle, { uid, gid, mode }: Stats): Promise<void> {
  const own = await file.stat();
  if (own.uid !== uid || own.gid !== gid) {
    try {
      await file.chown(uid, gid);
    } catch (error) {
      // Not permitted, or no user of this namespace: the file is this process's own then.
      if (codeOf(error) !== 'EPERM' && codeOf(error) !== 'EINVAL') throw error;
    }
  }
  if ((own.mode & PERMISSIONS) !== (mode & PERMISSIONS)) await file.chmod(mode & PERMISSIONS);
}

const codeOf = (error: unknown): string | undefined => (error as NodeJS.ErrnoException).code;
const asHostError = (error: unknown): HostError => (error instanceof HostError ? error : toHostError(error));
