/**
 * Tests against real programs. One that is not installed is skipped by name; with NETYARD_PEERS=required it fails, so
 * that a CI machine cannot lose a peer unnoticed.
 */
import { accessSync, constants } from 'node:fs';
import { delimiter, join } from 'node:path';
import { describe, expect, it } from 'vitest';

/** The path of an installed program. */
export function findProgram(name: string): string | undefined {
  const directories = [...(process.env['PATH'] ?? '').split(delimiter), '/usr/sbin', '/sbin', '/usr/local/sbin'];
  for (const directory of directories) {
    const path = join(directory, name);
    try {
      accessSync(path, constants.X_OK);
      return path;
    } catch {
      // The next directory may have it.
    }
  }
  return undefined;
}

/** The path of a peer that a test cannot do without. @throws Error that names it */
export function requirePeer(name: string): string {
  const path = findProgram(name);
  if (path === undefined) throw new Error(`peer program '${name}' is not installed`);
  return path;
}

/** `describe` for tests that need programs on PATH. */
export function describePeer(name: string, programs: readonly string[], body: () => void): void {
  const missing = programs.filter((program) => findProgram(program) === undefined);
  if (missing.length === 0) {
    describe(name, body);
  } else if (process.env['NETYARD_PEERS'] === 'required') {
    describe(name, () => {
      it('has its peers', () => expect(missing, 'peer programs that are not installed').toEqual([]));
    });
  } else {
    describe.skip(`${name} (not installed: ${missing.join(', ')})`, body);
  }
}
