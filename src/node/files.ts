import { mkdir, open, realpath, rename, stat, unlink } from 'node:fs/promises';
import { basename, dirname, join, resolve, sep } from 'node:path';
import { type Files, HostError } from '../net/index.ts';
import { hostError, toHostError } from './errno.ts';

/** Mode of what is written: leases and the like are nobody else's business. */
const FILE_MODE = 0o600;
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
      const file = await open(full, 'r');
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
      const target = await writable(full);
      this.#checkBelow(target);
      // In the same folder: a rename does not cross file systems.
      const beside = join(dirname(target), `.${basename(target)}.${process.pid}.${this.#written++}`);
      await writeNew(beside, bytes);
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
async function writable(path: string): Promise<string> {
  try {
    const target = await realpath(path);
    const found = await stat(target);
    if (!found.isFile()) throw hostError(found.isDirectory() ? 'EISDIR' : 'EINVAL');
    return target;
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === 'ENOENT') return join(await realpath(dirname(path)), basename(path));
    throw error;
  }
}

/** A file that is not there yet, with all of its bytes on the disk. */
async function writeNew(path: string, bytes: Uint8Array): Promise<void> {
  const file = await open(path, 'wx', FILE_MODE);
  try {
    await file.writeFile(bytes);
    await file.datasync();
  } catch (error) {
    await unlink(path);
    throw error;
  } finally {
    await file.close();
  }
}

const asHostError = (error: unknown): HostError => (error instanceof HostError ? error : toHostError(error));
