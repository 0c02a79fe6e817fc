import { describe, expect, it } from 'vitest';
import { isLocal, isOwn } from './own-addresses.ts';

const TABLE = `Main:
  +-- 0.0.0.0/0 3 0 5
     |-- 0.0.0.0
        /0 universe UNICAST
     +-- 192.0.2.0/24 2 0 2
        |-- 192.0.2.0
           /32 link BROADCAST
           /24 link UNICAST
        |-- 192.0.2.2
           /32 host LOCAL
     |-- 198.51.100.0
        /24 host LOCAL
`;

it.each([
  ['192.0.2.2', 0xc0000202, true],
  ['192.0.2.0', 0xc0000200, false],
  ['192.0.2.3', 0xc0000203, false],
  ['8.8.8.8', 0x08080808, false],
  ['198.51.100.1', 0xc6336401, true],
  ['198.51.100.255', 0xc63364ff, true],
  ['198.51.101.1', 0xc6336501, false],
])('%s in the table of routes', (_, address, own) => expect(isLocal(TABLE, address)).toBe(own));

describe('addresses of this machine', () => {
  it('those of its interfaces are, others are not', () => {
    expect(isOwn('127.0.0.1')).toBe(true);
    expect(isOwn('192.0.2.77')).toBe(false);
    expect(isOwn('127.0.0')).toBe(false);
    expect(isOwn('127.200.3.4')).toBe(true);
  });
});
