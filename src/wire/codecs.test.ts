import { Buffer } from 'node:buffer';
import dnsPacket from 'dns-packet';
import fc from 'fast-check';
import ipaddr from 'ipaddr.js';
import { describe, expect, it } from 'vitest';
import * as w from './index.ts';

const u8 = fc.integer({ min: 0, max: 0xff });
const u16 = fc.integer({ min: 0, max: 0xffff });
const u32 = fc.integer({ min: 0, max: 0xffff_ffff });
const mac = fc.integer({ min: 0, max: 0xffff_ffff_ffff });

describe('checksum', () => {
  const naive = (bytes: Uint8Array): number => {
    let sum = 0;
    for (let i = 0; i < bytes.length; i += 2) sum += ((bytes[i] ?? 0) << 8) + (bytes[i + 1] ?? 0);
    while (sum > 0xffff) sum = (sum & 0xffff) + (sum >>> 16);
    return sum;
  };

  it('equals the definition at every alignment and length', () => {
    fc.assert(
      fc.property(fc.uint8Array({ minLength: 0, maxLength: 400 }), fc.nat(7), (data, shift) => {
        const memory = new Uint8Array(data.length + shift + 16).fill(0xaa);
        const view = memory.subarray(shift & 3);
        view.set(data, shift >> 2);
        expect(w.fold(w.sumBytes(view, shift >> 2, data.length, 0))).toBe(naive(data));
      }),
      { numRuns: 2000 },
    );
  });

  it('holds for 64 KiB of ones and for a sum carried over', () => {
    const ones = new Uint8Array(65536).fill(0xff);
    expect(w.fold(w.sumBytes(ones, 0, ones.length, 0))).toBe(0xffff);
    expect(w.fold(w.sumBytes(ones, 1, 65535, 0x1_0000_0001))).toBe(
      naive(new Uint8Array(65535).fill(0xff).fill(0, 65535)) === 0
        ? 0
        : w.fold(0x1_0000_0001 + naive(new Uint8Array(65535).fill(0xff))),
    );
  });

  it('sees a buffer that changed and another buffer', () => {
    const a = new Uint8Array(256).fill(1);
    const b = new Uint8Array(256).fill(2);
    expect(w.fold(w.sumBytes(a, 0, 256, 0))).toBe(0x8080 + 0);
    expect(w.fold(w.sumBytes(b, 0, 256, 0))).toBe(naive(b));
    a[0] = 9;
    expect(w.fold(w.sumBytes(a, 0, 256, 0))).toBe(naive(a));
  });

  it('updates incrementally', () => {
    fc.assert(
      fc.property(fc.uint8Array({ minLength: 20, maxLength: 20 }), u32, (header, address) => {
        const before = w.checksum(header, 0, 20);
        const old = w.u32(header, 12);
        const next = header.slice();
        w.put32(next, 12, address);
        const updated = w.updateChecksum32(before, old, address);
        // 0 and 0xffff are the same number in one's complement.
        expect(updated % 0xffff).toBe(w.checksum(next, 0, 20) % 0xffff);
        const old16 = w.u16(next, 2);
        const field = w.checksum(next, 0, 20);
        w.put16(next, 2, 0x1234);
        expect(w.updateChecksum16(field, old16, 0x1234) % 0xffff).toBe(w.checksum(next, 0, 20) % 0xffff);
      }),
    );
  });
});

describe('parse(emit(x)) = x', () => {
  it('ethernet', () => {
    fc.assert(
      fc.property(mac, mac, u16, (destination, source, type) => {
        const b = new Uint8Array(20);
        w.emitEthernet(b, 3, destination, source, type);
        expect(w.parseEthernet(b, 3, 17)).toEqual({ destination, source, type });
      }),
    );
    expect(w.parseEthernet(new Uint8Array(13), 0, 13)).toBe('ethernet-short');
  });

  it('arp', () => {
    fc.assert(
      fc.property(u16, mac, u32, mac, u32, (operation, senderMac, senderAddress, targetMac, targetAddress) => {
        const b = new Uint8Array(30);
        const r = { operation, senderMac, senderAddress, targetMac, targetAddress };
        w.emitArp(b, 1, r);
        expect(w.parseArp(b, 1, 29)).toEqual(r);
        b[2] = 6;
        expect(w.parseArp(b, 1, 29)).toBe('arp-format');
        expect(w.parseArp(b, 1, 28)).toBe('arp-short');
      }),
    );
  });

  it('ipv4', () => {
    fc.assert(
      fc.property(
        fc.record({
          tos: u8,
          id: u16,
          flagsAndOffset: u16,
          ttl: u8,
          protocol: u8,
          source: u32,
          destination: u32,
          payloadLength: fc.nat(100),
        }),
        (r) => {
          const b = new Uint8Array(200);
          w.emitIpv4(b, 2, r.payloadLength, r.tos, r.id, r.flagsAndOffset, r.ttl, r.protocol, r.source, r.destination);
          expect(w.parseIpv4(b, 2, 200)).toEqual(r);
          b[4] = (b[4] ?? 0) ^ 0x10;
          expect(typeof w.parseIpv4(b, 2, 200)).toBe('string');
        },
      ),
    );
  });

  it('icmp', () => {
    fc.assert(
      fc.property(u8, u8, u32, fc.uint8Array({ maxLength: 60 }), (type, code, rest, payload) => {
        const b = new Uint8Array(100);
        b.set(payload, 9);
        w.emitIcmp(b, 1, type, code, rest, payload.length);
        const end = 9 + payload.length;
        expect(w.parseIcmp(b, 1, end)).toEqual({ type, code, rest, payloadOffset: 9, payloadLength: payload.length });
        b[1] = type ^ 1;
        expect(w.parseIcmp(b, 1, end)).toBe('icmp-checksum');
      }),
    );
  });

  it('udp', () => {
    fc.assert(
      fc.property(u16, u16, fc.uint8Array({ maxLength: 60 }), u32, u32, (sourcePort, destinationPort, data, a, c) => {
        const b = new Uint8Array(100);
        b.set(data, 8);
        const pseudo = w.ipv4PseudoSum(a, c);
        w.emitUdp(b, 0, sourcePort, destinationPort, data.length, pseudo);
        expect(w.udpChecksum(b, 0)).not.toBe(0);
        expect(w.parseUdp(b, 0, 100, pseudo)).toEqual({
          sourcePort,
          destinationPort,
          payloadOffset: 8,
          payloadLength: data.length,
        });
        b[0] = (b[0] ?? 0) ^ 1;
        expect(w.parseUdp(b, 0, 100, pseudo)).toBe('udp-checksum');
      }),
    );
    const short = new Uint8Array(8);
    w.put16(short, 4, 7);
    expect(w.parseUdp(short, 0, 8, 0)).toBe('udp-length');
    w.put16(short, 4, 9);
    expect(w.parseUdp(short, 0, 8, 0)).toBe('udp-length');
  });

  it('dhcp, with options in order and splitting over 255 bytes', () => {
    fc.assert(
      fc.property(
        u32,
        u16,
        u32,
        u32,
        mac,
        fc.uint8Array({ minLength: 256, maxLength: 600 }),
        (xid, flags, a, y, m, big) => {
          const b = new Uint8Array(1400);
          const writer = new w.DhcpWriter(b, 4, 1400, {
            op: w.DHCP_REQUEST_OP,
            xid,
            flags,
            clientAddress: a,
            yourAddress: y,
            serverAddress: 0,
            relayAddress: 0,
            clientMac: m,
            file: new Uint8Array(0),
          });
          expect(writer.byte(53, w.DHCP_REQUEST)).toBe(true);
          expect(writer.option(119, big)).toBe(true);
          expect(writer.word(50, 0x0a00020f)).toBe(true);
          expect(writer.word(54, 0x0a000202)).toBe(true);
          expect(writer.option(12, new TextEncoder().encode('box'))).toBe(true);
          const end = writer.finish();
          expect(w.parseDhcp(b, 4, end)).toEqual({
            op: 1,
            xid,
            flags,
            clientAddress: a,
            yourAddress: y,
            serverAddress: 0,
            relayAddress: 0,
            clientMac: m,
            messageType: 3,
            requestedAddress: 0x0a00020f,
            serverId: 0x0a000202,
            hostname: 'box',
          });
          const at = w.findDhcpOption(b, 4, end, 119);
          expect(b[at]).toBe(255);
          // Cut anywhere: never reads past the end.
          for (let cut = 240; cut < end; cut += 7) w.parseDhcp(b, 4, cut);
        },
      ),
      { numRuns: 50 },
    );
  });

  it('refuses an option that does not fit and takes a later smaller one', () => {
    const b = new Uint8Array(236 + 4 + 20);
    const header = {
      op: 2,
      xid: 1,
      flags: 0,
      clientAddress: 0,
      yourAddress: 0,
      serverAddress: 0,
      relayAddress: 0,
      clientMac: 0,
      file: new Uint8Array(0),
    };
    const writer = new w.DhcpWriter(b, 0, b.length, header);
    expect(writer.option(15, new Uint8Array(18))).toBe(false);
    expect(writer.option(15, new Uint8Array(17))).toBe(true);
    expect(writer.byte(1, 1)).toBe(false);
    expect(writer.finish()).toBe(b.length);
  });
});

describe('dns against dns-packet', () => {
  const label = fc.stringMatching(/^[a-z0-9]{1,20}$/);
  const name = fc.array(label, { minLength: 1, maxLength: 5 }).map((labels) => labels.join('.'));

  it('reads what dns-packet writes', () => {
    fc.assert(
      fc.property(name, u16, (text, id) => {
        const bytes = dnsPacket.encode({
          type: 'response',
          id,
          questions: [{ type: 'A', name: text }],
          answers: [{ type: 'A', name: text, ttl: 60, data: '192.0.2.1' }],
        });
        expect(w.parseDns(bytes, 0, bytes.length)).toEqual({
          id,
          flags: 0x8000,
          questionCount: 1,
          name: text,
          type: 1,
          class: 1,
        });
      }),
    );
  });

  it('writes what dns-packet reads', () => {
    fc.assert(
      fc.property(name, u16, (text, id) => {
        const b = new Uint8Array(300);
        const length = w.emitDns(b, 0, id, w.DNS_RECURSION_DESIRED, w.dnsLabels(text) ?? [], 28, 1);
        const packet = dnsPacket.decode(Buffer.from(b.subarray(0, length)));
        expect(packet.id).toBe(id);
        expect(packet.questions).toMatchObject([{ name: text, type: 'AAAA', class: 'IN' }]);
        expect(w.parseDns(b, 0, length)).toMatchObject({ id, name: text, type: 28 });
      }),
    );
  });

  it('search lists decode to what was given, with shared suffixes', () => {
    fc.assert(
      fc.property(fc.array(name, { minLength: 1, maxLength: 5 }), (names) => {
        const data = w.encodeDnsNames(names.map((n) => w.dnsLabels(n) ?? []));
        const read: (string | undefined)[] = [];
        for (let at = 0; at < data.length; ) {
          read.push(w.readDnsName(data, 0, at, data.length));
          at = w.skipDnsName(data, at, data.length);
          expect(at).toBeGreaterThan(0);
        }
        expect(read).toEqual(names);
      }),
    );
    const shared = w.encodeDnsNames([
      ['eng', 'apple', 'com'],
      ['marketing', 'apple', 'com'],
    ]);
    expect(shared.length).toBe(4 + 6 + 4 + 1 + 10 + 2);
    expect(Array.from(shared.slice(-2))).toEqual([0xc0, 4]);
  });

  it('ends on pointer loops, forward pointers and labels that run out', () => {
    const loop = Uint8Array.of(...new Array(12).fill(0), 0xc0, 12, 0, 1, 0, 1);
    loop[5] = 1;
    expect(w.parseDns(loop, 0, loop.length)).toBe('dns-format');
    expect(w.readDnsName(Uint8Array.of(0xc0, 2, 0), 0, 0, 3)).toBeUndefined();
    expect(w.readDnsName(Uint8Array.of(5, 97), 0, 0, 2)).toBeUndefined();
    expect(w.dnsLabels('a..b')).toBeUndefined();
    expect(w.dnsLabels('x'.repeat(64))).toBeUndefined();
    expect(w.dnsLabels('example.com.')).toEqual(['example', 'com']);
  });
});

describe('address text against ipaddr.js', () => {
  it('ipv4', () => {
    fc.assert(
      fc.property(u32, (address) => {
        const text = w.formatIpv4(address);
        expect(ipaddr.IPv4.isValidFourPartDecimal(text)).toBe(true);
        expect(w.parseIpv4Text(text)).toBe(address);
        expect(w.inetAton(text)).toBe(address);
      }),
    );
    for (const bad of ['', '1.2.3', '256.1.1.1', '01.2.3.4', '1.2.3.4 ', 'a.b.c.d'])
      expect(w.parseIpv4Text(bad)).toBeUndefined();
  });

  it('ipv6', () => {
    const group = fc.oneof(fc.constant(0), u16);
    fc.assert(
      fc.property(fc.array(group, { minLength: 8, maxLength: 8 }), (groups) => {
        const address = new ipaddr.IPv6(groups);
        const words = w.parseIpv6Text(address.toNormalizedString());
        expect(words).toBeDefined();
        if (words === undefined) return;
        const text = w.formatIpv6(words);
        expect(w.parseIpv6Text(text)).toEqual(words);
        expect(ipaddr.IPv6.parse(text).parts).toEqual(groups);
        if (!text.includes('.')) expect(text).toBe(address.toRFC5952String());
      }),
    );
    for (const bad of [
      '',
      ':',
      ':::',
      '1::2::3',
      '1:2:3:4:5:6:7',
      '1:2:3:4:5:6:7:8:9',
      '12345::',
      '::1%lo',
      '::/0',
      'fe80::1:',
      '1.2.3.4',
    ]) {
      expect(w.parseIpv6Text(bad)).toBeUndefined();
    }
  });

  it('inet_aton takes the forms of the C library', () => {
    const cases: [string, number | undefined][] = [
      ['10', 10],
      ['10.2', 0x0a000002],
      ['10.1.258', 0x0a010102],
      ['0x0a000200', 0x0a000200],
      ['012.0.0.1', 0x0a000001],
      ['0', 0],
      ['1.2.3.4 tail', 0x01020304],
      ['255.255.255.256', undefined],
      ['256.1', undefined],
      ['4294967296', undefined],
      ['08', undefined],
      ['1.2.3.4.5', undefined],
      ['1..2', undefined],
      ['', undefined],
      [' 1.2.3.4', undefined],
      ['0x', undefined],
      ['-1', undefined],
    ];
    for (const [text, address] of cases) expect([text, w.inetAton(text)]).toEqual([text, address]);
  });

  it('mac', () => {
    fc.assert(fc.property(mac, (m) => w.parseMac(w.formatMac(m)) === m));
    expect(w.parseMac('52-54-0-12-34-56')).toBe(0x525400123456);
    for (const bad of ['', '1:2:3:4:5', '1:2:3:4:5:6:7', '123:4:5:6:7:8', 'g:1:2:3:4:5', '1:2-3:4:5:6'])
      expect(w.parseMac(bad)).toBeUndefined();
    expect(w.isMulticastMac(w.MAC_BROADCAST)).toBe(true);
    expect(w.isMulticastMac(0x525400123456)).toBe(false);
    expect(w.isMulticastMac(0x01005e000001)).toBe(true);
  });
});
