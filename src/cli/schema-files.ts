/** Schema files from the file system. Only regular files: an include may name anything, and a device has no end. */
import { readFileSync, statSync } from 'node:fs';
import { errnoText, toHostError } from '../node/index.ts';
import type { ReadFile } from '../qapi/front.ts';

/** Bytes of one file; the largest of QEMU's has 0.2 million. */
const MAX_FILE = 64 << 20;

export const readSchemaFile: ReadFile = (path) => {
  try {
    const stat = statSync(path);
    if (stat.isDirectory()) return { error: errnoText('EISDIR') };
    if (!stat.isFile()) return { error: 'Not a regular file' };
    if (stat.size > MAX_FILE) return { error: errnoText('EFBIG') };
    const bytes = readFileSync(path);
    try {
      return { text: new TextDecoder('utf-8', { fatal: true, ignoreBOM: true }).decode(bytes) };
    } catch {
      // strerror(EILSEQ)
      return { error: 'Invalid or incomplete multibyte or wide character' };
    }
  } catch (error) {
    return { error: toHostError(error).message };
  }
};
