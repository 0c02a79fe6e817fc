import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { QapiError } from '../../qapi/error.ts';
import type { NetdevUserOptions } from '../../schema/net.ts';
import { formatIpv4 } from '../../wire/index.ts';
import { REFUSALS } from '../refused-options.ts';
import { strtol0, strtol10 } from './c-number.ts';
import { parseForwardSpec, parseHostForward } from './forward-rules.ts';
import { parseNetwork } from './network.ts';
import { parseUserOptions } from './options.ts';

const long = 'x'.repeat(256);

/** The text of the QapiError that a call ends with. */
function refusal(call: () => unknown): string {
  try {
    call();
  } catch (error) {
    if (error instanceof QapiError && error.errorClass === 'GenericError') return error.message;
    throw error;
  }
  return 'accepted';
}

/** In QEMU's order: each row breaks one rule more to the front than what follows in it. */
const REFUSED: [NetdevUserOptions, string][] = [
  [{ ipv4: false, net: '10.0.2.0/24' }, 'IPv4 disabled but netmask/host/dns provided'],
  [{ ipv6: true, ip: '10.0.2.0' }, 'IPv4 disabled but netmask/host/dns provided'],
  [{ ipv4: false, host: 'x' }, 'IPv4 disabled but netmask/host/dns provided'],
  [{ ipv4: false, dns: 'x' }, 'IPv4 disabled but netmask/host/dns provided'],
  [{ ipv6: false, 'ipv6-prefix': 'x' }, 'IPv6 disabled but prefix/host6/dns6 provided'],
  [{ ipv4: true, 'ipv6-host': 'x' }, 'IPv6 disabled but prefix/host6/dns6 provided'],
  [{ ipv6: false, 'ipv6-dns': 'x' }, 'IPv6 disabled but prefix/host6/dns6 provided'],
  [{ ipv4: false, ipv6: false }, 'IPv4 and IPv6 disabled'],
  [{ net: 'bogus' }, 'Failed to parse netmask'],
  [{ net: '' }, 'Failed to parse netmask'],
  [{ net: '10.0.2.0/24x', host: 'y' }, 'Failed to parse netmask (trailing chars)'],
  [{ net: '10.0.2.0/3' }, 'Invalid netmask provided (must be in range 4-32)'],
  [{ net: '10.0.2.0/33' }, 'Invalid netmask provided (must be in range 4-32)'],
  [{ net: '10.0.2.0/' }, 'Invalid netmask provided (must be in range 4-32)'],
  [{ net: '10.0.2.0/-1' }, 'Invalid netmask provided (must be in range 4-32)'],
  [{ ip: '10.1.1.0/8' }, 'Failed to parse netmask (trailing chars)'],
  [{ host: 'bogus', dns: 'bogus' }, 'Failed to parse host'],
  [{ host: '10.0.3.1' }, "Host doesn't belong to network"],
  [{ dns: 'bogus', dhcpstart: 'bogus' }, 'Failed to parse DNS'],
  [{ dns: '8.8.8.8', restrict: true }, "DNS doesn't belong to network"],
  [{ dns: '10.0.2.2' }, 'DNS must be different from host'],
  [{ net: '10.0.2.0/32' }, 'DNS must be different from host'],
  [{ dhcpstart: 'bogus', smbserver: 'bogus' }, 'Failed to parse DHCP start address'],
  [{ dhcpstart: '10.0.3.15' }, "DHCP doesn't belong to network"],
  [{ dhcpstart: '10.0.2.3' }, 'DHCP must be different from host and DNS'],
  [{ net: '10.0.2.0/30' }, 'DHCP must be different from host and DNS'],
  [{ net: '10.0.2.0/31' }, 'DHCP must be different from host and DNS'],
  [{ smbserver: 'bogus', 'ipv6-prefix': 'bogus' }, 'Failed to parse SMB address'],
  [{ 'ipv6-prefix': 'fec0::/64' }, 'Failed to parse IPv6 prefix'],
  [{ 'ipv6-prefixlen': 127 }, 'Invalid IPv6 prefix provided (IPv6 prefix length must be between 0 and 126)'],
  [{ 'ipv6-prefixlen': -1 }, 'Invalid IPv6 prefix provided (IPv6 prefix length must be between 0 and 126)'],
  [{ 'ipv6-host': 'bogus' }, 'Failed to parse IPv6 host'],
  [{ 'ipv6-host': 'fec1::2' }, "IPv6 Host doesn't belong to network"],
  [{ 'ipv6-dns': 'bogus' }, 'Failed to parse IPv6 DNS'],
  [{ 'ipv6-dns': '2001:db8::1', restrict: true }, "IPv6 DNS doesn't belong to network"],
  [{ domainname: '', hostname: long }, "'domainname' parameter cannot be empty"],
  [{ domainname: long }, "'domainname' parameter cannot exceed 255 bytes"],
  [{ hostname: long, 'tftp-server-name': long }, "'vhostname' parameter cannot exceed 255 bytes"],
  [{ hostname: 'ä'.repeat(128) }, "'vhostname' parameter cannot exceed 255 bytes"],
  [{ 'tftp-server-name': long }, "'tftp-server-name' parameter cannot exceed 255 bytes"],
  [{ bootfile: 'x'.repeat(128) }, "'bootfile' parameter cannot exceed 127 bytes"],
  [
    { guestfwd: [{ str: 'bad' }, { str: 'worse' }], hostfwd: [{ str: 'bad' }] },
    "Invalid guest forwarding rule 'worse'",
  ],
  [{ guestfwd: [{ str: 'udp::80-cmd:cat' }] }, "Invalid guest forwarding rule 'udp::80-cmd:cat'"],
  [{ guestfwd: [{ str: 'tcp::0-cmd:cat' }] }, "Invalid guest forwarding rule 'tcp::0-cmd:cat'"],
  [
    { guestfwd: [{ str: 'tcp:10.0.2.2:80-cmd:cat' }] },
    "Conflicting/invalid host:port in guest forwarding rule 'tcp:10.0.2.2:80-cmd:cat'",
  ],
  [
    { guestfwd: [{ str: 'tcp:10.0.3.9:80-cmd:cat' }] },
    "Conflicting/invalid host:port in guest forwarding rule 'tcp:10.0.3.9:80-cmd:cat'",
  ],
  [{ hostfwd: [{ str: 'bad' }, { str: 'worse' }] }, "Invalid host forwarding rule 'worse' (No : separators)"],
  [
    { hostfwd: [{ str: 'bad' }], guestfwd: [{ str: 'tcp::80-cmd:cat' }] },
    "Invalid host forwarding rule 'bad' (No : separators)",
  ],
  [{ ipv4: false }, "A network with IPv6 only ('ipv4' off) of netdev 'user' is not available in this version"],
  [{ ipv6: true }, "IPv6 ('ipv6' on) of netdev 'user' is not available in this version"],
  [{ ipv4: true, ipv6: true }, "IPv6 ('ipv6' on) of netdev 'user' is not available in this version"],
  [{ 'ipv6-prefix': 'fd00::' }, "IPv6 ('ipv6-prefix') of netdev 'user' is not available in this version"],
  [{ 'ipv6-prefixlen': 64 }, "IPv6 ('ipv6-prefixlen') of netdev 'user' is not available in this version"],
  [{ 'ipv6-host': 'fec0::2' }, "IPv6 ('ipv6-host') of netdev 'user' is not available in this version"],
  [{ 'ipv6-dns': 'fec0::3' }, "IPv6 ('ipv6-dns') of netdev 'user' is not available in this version"],
  [{ smbserver: '10.0.2.4' }, "Option 'smbserver' of netdev 'user' is not available in this version"],
  [{ guestfwd: [{ str: 'tcp::80-cmd:cat' }] }, "Option 'guestfwd' of netdev 'user' is not available in this version"],
  [{ tftp: '/srv' }, "Option 'tftp' of netdev 'user' is not available in this version"],
  [{ smb: '/srv' }, "Option 'smb' of netdev 'user' is not available in this version"],
];

it('every option that the documentation marks as refused is', () => {
  const values: Record<string, unknown> = {
    ipv4: false,
    ipv6: true,
    'ipv6-prefix': 'fd00::',
    'ipv6-prefixlen': 64,
    'ipv6-host': 'fec0::2',
    'ipv6-dns': 'fec0::3',
    guestfwd: [{ str: 'tcp:10.0.2.100:80-cmd:cat' }],
    tftp: '/srv',
    smb: '/srv',
    smbserver: '10.0.2.4',
  };
  expect(Object.keys(REFUSALS['user'] ?? {}).sort()).toEqual(Object.keys(values).sort());
  for (const [name, value] of Object.entries(values)) {
    expect(refusal(() => parseUserOptions({ [name]: value }))).toContain('is not available in this version');
  }
});

describe('options', () => {
  it.each(REFUSED.map(([options, text], i) => [i, text, options] as const))('refusal %i: %s', (_i, text, options) => {
    expect(refusal(() => parseUserOptions(options))).toBe(text);
  });

  const addresses = (options: NetdevUserOptions): string => {
    const { network, mask, host, dns, dhcpStart } = parseUserOptions(options).stack;
    return [network, mask, host, dns, dhcpStart].map(formatIpv4).join(' ');
  };

  it.each<[NetdevUserOptions, string]>([
    [{}, '10.0.2.0 255.255.255.0 10.0.2.2 10.0.2.3 10.0.2.15'],
    [{ ip: '10.1.1.0' }, '10.1.1.0 255.255.255.0 10.1.1.2 10.1.1.3 10.1.1.15'],
    [{ ip: 'bogus', net: '10.9.0.0/16' }, '10.9.0.0 255.255.0.0 10.9.2.2 10.9.2.3 10.9.2.15'],
    [{ net: '10' }, '0.0.0.0 255.0.0.0 0.0.2.2 0.0.2.3 0.0.2.15'],
    [{ net: '0x0a000200/24' }, '10.0.2.0 255.255.255.0 10.0.2.2 10.0.2.3 10.0.2.15'],
    [{ net: '10.0.2.0/29' }, '10.0.2.0 255.255.255.248 10.0.2.2 10.0.2.3 10.0.2.7'],
    [{ net: '10.0.2.0/255.255.0.0' }, '10.0.0.0 255.255.0.0 10.0.2.2 10.0.2.3 10.0.2.15'],
    [{ dns: '8.8.8.8' }, '10.0.2.0 255.255.255.0 10.0.2.2 8.8.8.8 10.0.2.15'],
    [{ ipv4: true, ipv6: false }, '10.0.2.0 255.255.255.0 10.0.2.2 10.0.2.3 10.0.2.15'],
  ])('%j', (options, expected) => {
    expect(addresses(options)).toBe(expected);
  });

  it.each([
    ['10.5.6.7', '10.0.0.0', '255.0.0.0'],
    ['172.16.5.0', '172.16.0.0', '255.240.0.0'],
    ['172.32.5.0', '172.32.0.0', '255.255.0.0'],
    ['192.168.7.1', '192.168.0.0', '255.255.0.0'],
    ['198.18.4.4', '198.18.0.0', '255.254.0.0'],
    ['198.19.1.200', '198.19.1.192', '255.255.255.240'],
    ['192.0.2.77', '192.0.2.64', '255.255.255.240'],
    ['224.1.1.1', '224.1.1.0', '255.255.255.0'],
    ['255.1.1.1', '255.1.1.0', '255.255.255.0'],
  ])('net=%s is %s mask %s', (text, address, mask) => {
    const network = parseNetwork(text);
    expect([formatIpv4(network.address), formatIpv4(network.mask)]).toEqual([address, mask]);
  });

  it('forwards are set up last one first, and name the first DHCP address where they name none', () => {
    const { hostForwards } = parseUserOptions({
      dhcpstart: '10.0.2.50',
      hostfwd: [{ str: 'tcp::1-:22' }, { str: ':127.0.0.1:0x10-10.0.2.9:022' }],
    });
    expect(hostForwards).toEqual([
      {
        rule: ':127.0.0.1:0x10-10.0.2.9:022',
        protocol: 'tcp',
        hostAddress: '127.0.0.1',
        hostPort: 16,
        guestAddress: 0x0a000209,
        guestPort: 18,
      },
      {
        rule: 'tcp::1-:22',
        protocol: 'tcp',
        hostAddress: '0.0.0.0',
        hostPort: 1,
        guestAddress: 0x0a000232,
        guestPort: 22,
      },
    ]);
  });

  it('search domains that cannot be written are left out with a warning', () => {
    const config = parseUserOptions({ dnssearch: [{ str: 'a..b' }, { str: 'example.com' }] });
    expect(config.stack.dnsSearch).toEqual([['example', 'com']]);
    expect(config.warnings).toEqual(["failed to parse domain name 'a..b'"]);
  });
});

describe('forward rules', () => {
  it.each([
    ['bad', 'No : separators'],
    ['', 'No : separators'],
    ['TCP::1-:2', 'Bad protocol name'],
    ['unix:/p-:22', 'Bad protocol name'],
    ['tcp:1-', 'Missing : separator'],
    ['tcp:localhost:1-:2', 'Bad host address'],
    ['tcp:[::1]:5555-:22', 'Bad host address'],
    ['tcp::1:2', 'Bad host port separator'],
    ['tcp::-:22', 'Bad host port'],
    ['tcp::65536-:22', 'Bad host port'],
    ['tcp::5595x-:22', 'Bad host port'],
    ['tcp::08-:22', 'Bad host port'],
    ['tcp::-1-:1', 'Bad host port'],
    ['tcp::1-22', 'Missing guest address'],
    ['tcp::1-x:22', 'Bad guest address'],
    ['tcp::1-:0', 'Bad guest port'],
    ['tcp::1-:', 'Bad guest port'],
    ['tcp::1-:22 ', 'Bad guest port'],
    ['tcp::1-:65536', 'Bad guest port'],
  ])("'%s': %s", (rule, reason) => {
    expect(refusal(() => parseHostForward(rule, 1))).toBe(`Invalid host forwarding rule '${rule}' (${reason})`);
  });

  it.each(['', 'x', 'tcp', 'tcp:', 'tcp:127.0.0.1', 'sctp::1', 'tcp:x:1', 'tcp::0x10', 'tcp::1-:22', 'tcp::'])(
    "hostfwd_remove '%s' has an invalid format",
    (spec) => {
      expect(refusal(() => parseForwardSpec(spec))).toBe('invalid format');
    },
  );

  it('never answers random text with anything but a rule or an error of ours', () => {
    const piece = fc.constantFrom(
      'tcp',
      'udp',
      ':',
      '-',
      '127.0.0.1',
      '22',
      '0',
      '65536',
      ' ',
      'x',
      '0x1f',
      '[::1]',
      '',
    );
    fc.assert(
      fc.property(fc.array(piece, { maxLength: 12 }), (pieces) => {
        const text = pieces.join('');
        for (const parse of [(t: string) => parseHostForward(t, 1), parseForwardSpec]) {
          try {
            parse(text);
          } catch (error) {
            expect(error).toMatchObject({ name: 'QapiError' });
          }
        }
      }),
    );
  });
});

describe('numbers of the C library', () => {
  it.each<[string, number | undefined, number | undefined]>([
    ['10', 10, 10],
    [' \t42', 42, 42],
    ['052', 42, 52],
    ['0x2A', 42, undefined],
    ['-7', -7, -7],
    ['+7', 7, 7],
    ['08', undefined, 8],
    ['', undefined, undefined],
    ['0 ', undefined, undefined],
    ['3.14', undefined, undefined],
    ['0', 0, 0],
  ])("'%s'", (text, base0, base10) => {
    expect([strtol0(text), strtol10(text)]).toEqual([base0, base10]);
  });
});
