/** Tests that need the addon: skipped by name where it is not built; with NETYARD_PEERS=required they fail. */
import { describe, expect, it } from 'vitest';
import { loadNative } from '../../src/node/native/load.ts';

export function describeNative(name: string, body: () => void): void {
  const loaded = loadNative();
  if ('binding' in loaded) {
    describe(name, body);
  } else if (process.env['NETYARD_PEERS'] === 'required') {
    describe(name, () => {
      it('has the addon', () => expect(loaded.reason).toBe(''));
    });
  } else {
    describe.skip(`${name} (${loaded.reason})`, body);
  }
}
