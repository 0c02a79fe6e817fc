import { describe, expect, it } from 'vitest';
import { hostInFamily } from './socket-device.ts';

describe('the host of a monitor with a family', () => {
  it('ipv6=on: a connecting one reaches who has an IPv4 address only, a listening one does not', async () => {
    const address = { host: '127.0.0.1', port: '1', family: 6 } as const;
    expect(await hostInFamily(address, true)).toBe('::ffff:127.0.0.1');
    await expect(hostInFamily(address, false)).rejects.toThrow('Address family for hostname not supported');
    await expect(hostInFamily({ ...address, host: '::1', family: 4 }, true)).rejects.toThrow('Address family');
  });
});
