/**
 * Every parser of src/wire on any bytes: it answers with a record or a drop reason, in bounded time, and what lies behind
 * the end it was given has no influence.
 */
import { readFileSync } from 'node:fs';
import { expect, it } from 'vitest';
import * as w from '../src/wire/index.ts';
import { fuzzBudget, mutate, pick, seededRandom } from '../tests/kit/mutate.ts';

const VECTORS = new URL('../tests/vectors/user-vectors.json', import.meta.url);

type Parser = (b: Uint8Array, o: number, end: number) => unknown;

const PARSERS: Record<string, Parser> = {
  ethernet: w.parseEthernet,
  vlan: (b, o, end) => (end - o >= w.ETHERNET_LENGTH ? w.skipVlan(b, o, end) : -1),
  arp: w.parseArp,
  ipv4: w.parseIpv4,
  icmp: w.parseIcmp,
  udp: (b, o, end) => w.parseUdp(b, o, end, 0x1234),
  tcp: w.parseTcp,
  tcpOptions: (b, o, end) => {
    const options = w.createTcpOptions();
    if (w.tcpCheck(b, o, end) === undefined) w.parseTcpOptions(b, o, w.tcpHeaderLength(b, o), options);
    return { ...options, sack: Array.from(options.sack) };
  },
  dhcp: w.parseDhcp,
  dhcpOptions: (b, o, end) => Array.from({ length: 256 }, (_, code) => w.findDhcpOption(b, o, end, code)),
  dns: w.parseDns,
  dnsName: (b, o, end) => w.readDnsName(b, o, o, end),
  skipDnsName: w.skipDnsName,
  checksum: (b, o, end) => w.checksum(b, o, end - o),
};

/** Frames and every layer in them, so that each parser gets what nearly is its own. */
function seeds(): Uint8Array[] {
  const { vectors } = JSON.parse(readFileSync(VECTORS, 'utf8')) as {
    vectors: { request: string[]; reply: string[] }[];
  };
  const frames = vectors
    .flatMap((v) => [...v.request.slice(0, 3), ...v.reply])
    .map((text) => new Uint8Array(Buffer.from(text, 'hex')));
  return frames.flatMap((frame) => [frame, frame.slice(14), frame.slice(34), frame.slice(42)]);
}

it('wire', { timeout: 600_000 }, () => {
  const { ms, seed } = fuzzBudget();
  console.log(`wire: FUZZ_SEED=${seed} FUZZ_MS=${ms}`);
  const random = seededRandom(seed);
  const corpus = seeds();
  const until = performance.now() + ms;
  let runs = 0;
  for (; runs === 0 || performance.now() < until; runs++) {
    const base = corpus[pick(corpus.length, random)] ?? new Uint8Array(0);
    const bytes =
      random() < 0.1 ? Uint8Array.from({ length: pick(200, random) }, () => pick(256, random)) : mutate(base, random);
    const offset = pick(9, random);
    const one = new Uint8Array(offset + bytes.length + 64).fill(0x55);
    const other = one.slice().fill(0xaa, offset + bytes.length);
    one.set(bytes, offset);
    other.set(bytes, offset);
    for (const [name, parse] of Object.entries(PARSERS)) {
      const found = parse(one, offset, offset + bytes.length);
      expect(parse(other, offset, offset + bytes.length), `${name} ${Buffer.from(bytes).toString('hex')}`).toEqual(
        found,
      );
    }
  }
  expect(runs).toBeGreaterThan(0);
});

it('address texts', { timeout: 600_000 }, () => {
  const { ms, seed } = fuzzBudget();
  console.log(`address texts: FUZZ_SEED=${seed} FUZZ_MS=${ms}`);
  const random = seededRandom(seed);
  const pieces = [
    '1',
    '255',
    '256',
    '0x',
    'f',
    '.',
    ':',
    '::',
    '/',
    '-',
    '%',
    ' ',
    '0',
    '\0',
    'é',
    'ffff',
    '99999999999',
  ];
  const until = performance.now() + ms / 4;
  do {
    let text = '';
    for (let i = pick(14, random); i > 0; i--) text += pieces[pick(pieces.length, random)];
    const v4 = w.inetAton(text);
    if (v4 !== undefined) expect(v4 >= 0 && v4 <= 0xffff_ffff && Number.isInteger(v4), text).toBe(true);
    const strict = w.parseIpv4Text(text);
    if (strict !== undefined) expect(w.formatIpv4(strict)).toBe(text);
    const v6 = w.parseIpv6Text(text);
    if (v6 !== undefined) expect(w.parseIpv6Text(w.formatIpv6(v6))).toEqual(v6);
    const mac = w.parseMac(text);
    if (mac !== undefined) expect(w.parseMac(w.formatMac(mac))).toBe(mac);
    const labels = w.dnsLabels(text);
    if (labels !== undefined) expect(w.encodeDnsNames([labels]).length).toBeLessThanOrEqual(255);
  } while (performance.now() < until);
});
