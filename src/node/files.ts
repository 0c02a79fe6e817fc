import { open } from 'node:fs/promises';
import { resolve, sep } from 'node:path';
import { type Files, HostError } from '../net/index.ts';
import { hostError, toHostError } from './errno.ts';

/** Reads below a root directory only. */
export class NodeFiles implements Files {
  readonly #root: string;

  constructor(root: string = sep) {
    this.#root = resolve(root);
  }

  async read(path: string, limit: number): Promise<Uint8Array> {
    const full = resolve(this.#root, path);
    const below = this.#root.endsWith(sep) ? this.#root : this.#root + sep;
    if (!full.startsWith(below)) throw hostError('EACCES');
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
      throw error instanceof HostError ? error : toHostError(error);
    }
  }
}
