import { describe, expect, it } from 'vitest';
import { HostError, type SocketAddress } from '../../net/index.ts';
import { KeptAnswers } from '../kept-answers.ts';
import { SockaddrTable } from './address-table.ts';
import { interfaceNumber, parseInterfaces } from './interface-names.ts';
import { encodeAddress, encodeFamily, familyAt, host32, putHost32, SOCKADDR_BYTES } from './sockaddr.ts';

const hex = (bytes: Uint8Array): string => Buffer.from(bytes).toString('hex');
const encoded = (address: SocketAddress): Uint8Array => {
  const bytes = new Uint8Array(SOCKADDR_BYTES + 3).fill(0xee);
  return bytes.slice(3, 3 + encodeAddress(address, bytes, 3));
};
const refused = (address: SocketAddress): HostError => {
  try {
    encoded(address);
  } catch (error) {
    return error as HostError;
  }
  throw new RangeError('it was accepted');
};

// Bytes as Linux on a little-endian machine has them (sockaddr_in, _in6, _un, _vm).
describe.skipIf(new Uint8Array(Uint16Array.of(1).buffer)[0] !== 1)('socket addresses as bytes', () => {
  const table = new SockaddrTable();
  const cases: [SocketAddress, string][] = [
    [{ family: 'ipv4', host: '192.0.2.7', port: 4789 }, `020012b5c0000207${'00'.repeat(8)}`],
    [
      { family: 'ipv6', host: '2001:db8::1', port: 80 },
      `0a00005000000000${'20010db8'}${'00'.repeat(8)}0000000100000000`,
    ],
    [{ family: 'ipv6', host: '::ffff:192.0.2.7', port: 1 }, `0a00000100000000${'00'.repeat(10)}ffffc000020700000000`],
    [{ family: 'unix', path: '/a' }, '01002f6100'],
    [{ family: 'unix', path: '\0ab' }, '0100006162'],
    [{ family: 'vsock', cid: 0xfffffffe, port: 258 }, '2800000002010000feffffff00000000'],
  ];

  for (const [address, bytes] of cases) {
    it(JSON.stringify(address), () => {
      expect(hex(encoded(address))).toBe(bytes);
      const back = new Uint8Array(SOCKADDR_BYTES + 5).fill(0xee);
      back.set(encoded(address), 5);
      expect(table.decode(back, 5, encoded(address).length)).toEqual(address);
    });
  }

  it('keeps a padded abstract name, and a path of 107 bytes', () => {
    const padded = `\0ab${'\0'.repeat(105)}`;
    expect(encoded({ family: 'unix', path: padded })).toHaveLength(110);
    const path = `/${'x'.repeat(106)}`;
    const bytes = encoded({ family: 'unix', path });
    expect([bytes.length, table.decode(bytes, 0, bytes.length)]).toEqual([110, { family: 'unix', path }]);
  });

  it('refuses what the kernel cannot have', () => {
    const texts = (address: SocketAddress) => [refused(address).code, refused(address).message];
    expect(refused({ family: 'ipv4', host: 'example', port: 1 }).code).toBe('EINVAL');
    expect(refused({ family: 'ipv6', host: '1.2.3.4', port: 1 }).code).toBe('EINVAL');
    expect(refused({ family: 'ipv6', host: 'fe80::1%no-such', port: 1 }).code).toBe('ENODEV');
    expect(refused({ family: 'ipv6', host: 'fe80::1%../x', port: 1 }).code).toBe('ENODEV');
    expect(texts({ family: 'unix', path: '' })).toEqual(['EINVAL', 'UNIX socket path is empty']);
    const long = `/${'x'.repeat(107)}`;
    expect(texts({ family: 'unix', path: long })).toEqual(['ENAMETOOLONG', `UNIX socket path '${long}' is too long`]);
    expect(refused({ family: 'unix', path: 'a\0b' }).code).toBe('EINVAL');
    expect(refused({ family: 'unix', path: `\0${'x'.repeat(108)}` })).toBeInstanceOf(HostError);
  });

  it('knows a zone by the name of its interface', () => {
    const address = { family: 'ipv6', host: 'fe80::1%lo', port: 5 } as const;
    expect(hex(encoded(address)).slice(-8)).toBe('01000000');
    expect(table.decode(encoded(address), 0, 28)).toEqual(address);
    const unknown = encoded(address);
    putHost32(unknown, 24, 0x7ffffff0);
    expect(table.decode(unknown, 0, 28)).toMatchObject({ host: 'fe80::1%2147483632' });
  });

  it('takes the numbers of interfaces from the network namespace it is in', () => {
    const table = [
      'fe8000000000000000fc00fffe000001 12 40 20 80     eth0',
      '00000000000000000000000000000001 01 80 10 80       lo',
      '',
    ];
    expect(parseInterfaces(table.join('\n'))).toEqual([
      { index: 18, name: 'eth0' },
      { index: 1, name: 'lo' },
    ]);
    expect([interfaceNumber('lo'), interfaceNumber('no-such')]).toEqual([1, undefined]);
  });

  it('answers nothing for an address that is none', () => {
    const bytes = new Uint8Array(SOCKADDR_BYTES);
    encodeFamily(1, bytes, 0);
    expect([familyAt(bytes, 0, 2), familyAt(bytes, 0, 1)]).toEqual([1, 0]);
    expect(table.decode(bytes, 0, 2)).toBeUndefined();
    expect(table.decode(bytes, 0, 0)).toBeUndefined();
    encodeFamily(2, bytes, 0);
    expect(table.decode(bytes, 0, 8)).toBeUndefined();
    encodeFamily(77, bytes, 0);
    expect(table.decode(bytes, 0, 16)).toBeUndefined();
    putHost32(bytes, 0, 0xfedcba98);
    expect(host32(bytes, 0)).toBe(0xfedcba98);
  });
});

describe('the address table', () => {
  const table = new SockaddrTable();
  const at = (host: string, port: number): Uint8Array =>
    encoded({ family: host.includes(':') ? 'ipv6' : 'ipv4', host, port });

  it('gives the same object for the same bytes, and another for others', () => {
    for (const host of ['10.0.0.1', '2001:db8::5']) {
      const first = table.decode(at(host, 7), 0, 28);
      expect(table.decode(at(host, 7), 0, 28)).toBe(first);
      expect(table.decode(at(host, 8), 0, 28)).not.toEqual(first);
    }
    expect(table.decode(at('fe80::1%lo', 7), 0, 28)).not.toEqual(table.decode(at('fe80::1', 7), 0, 28));
  });

  it('asks for the name of an interface once a second, not for each address that has it', () => {
    const asked: number[] = [];
    let now = 5000;
    const find = (index: number): string => {
      asked.push(index);
      return `eth${asked.length}`;
    };
    const small = new SockaddrTable(new KeptAnswers(find, () => now));
    const from = (host: number, scope: number): SocketAddress | undefined => {
      const bytes = at(`fe80::${host.toString(16)}`, 9);
      putHost32(bytes, 24, scope);
      return small.decode(bytes, 0, 28);
    };
    for (let i = 1; i <= 500; i++) expect(from(i, 7)).toMatchObject({ host: `fe80::${i.toString(16)}%eth1` });
    expect(from(1, 8)).toMatchObject({ host: 'fe80::1%eth2' });
    now += 999;
    from(501, 7);
    expect(asked).toEqual([7, 8]);
    now++;
    expect(from(502, 7)).toMatchObject({ host: 'fe80::1f6%eth3' });
    expect(asked).toEqual([7, 8, 7]);
    for (let scope = 100; scope < 200; scope++) from(1, scope);
    from(503, 199);
    expect(asked).toHaveLength(103);
    from(504, 7);
    expect(asked).toHaveLength(104);
  });

  it('encodes an object once', () => {
    const address = { family: 'ipv4', host: '10.9.8.7', port: 6 } as const;
    expect(table.encode(address)).toBe(table.encode(address));
    expect(hex(table.encode(address))).toBe(hex(encoded(address)));
  });

  it('tells hosts of one hash apart, and never grows without end', () => {
    const small = new SockaddrTable();
    // The hash of two words is h * p ^ w: these differ in both and collide.
    const hosts = [0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11].map((i) => {
      const bytes = at('2001:db8::', 9);
      const view = new DataView(bytes.buffer, bytes.byteOffset);
      view.setUint32(16, i);
      view.setUint32(20, Math.imul(Math.imul(view.getUint32(8), 1) ^ 0, 1) ^ Math.imul(i, 0x01000193));
      return bytes;
    });
    const seen = hosts.map((bytes) => small.decode(bytes, 0, 28));
    expect(new Set(seen.map((address) => JSON.stringify(address))).size).toBe(hosts.length);
    expect(hosts.map((bytes) => small.decode(bytes, 0, 28))).toEqual(seen);
    for (let i = 0; i < 20_000; i++) small.decode(at(`10.0.${i >> 8}.${i & 255}`, i & 0xffff), 0, 16);
    expect(small.decode(at('10.0.0.1', 1), 0, 16)).toEqual({ family: 'ipv4', host: '10.0.0.1', port: 1 });
  });
});
