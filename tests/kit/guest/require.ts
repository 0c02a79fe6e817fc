/** Guests need Debian packages and root; without them their tests are skipped by name, or fail where CI requires them. */
import { describe, test } from 'vitest';
import { missingGuestParts } from './initramfs.ts';

/** `describe` for suites with guests. NETYARD_PEERS=required turns a skip into a failure. */
export function describeGuests(name: string, suite: () => void): void {
  const missing = missingGuestParts();
  // Port 53 and a resolv.conf of one's own.
  if (process.getuid?.() !== 0) missing.push('root');
  if (missing.length === 0) describe(name, suite);
  else if (process.env['NETYARD_PEERS'] === 'required') {
    test(name, () => {
      throw new Error(`missing: ${missing.join(', ')}`);
    });
  } else describe.skip(`${name} (missing: ${missing.join(', ')})`, suite);
}
