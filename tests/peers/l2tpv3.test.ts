/** l2tpv3 with a second netyard, with user-mode Linux's vector transport, under tshark's dissector, and QEMU's texts. */
import { type ChildProcess, execFileSync, spawn, spawnSync } from 'node:child_process';
import { existsSync, mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { createYard } from '../../src/index.ts';
import type { NetClient } from '../../src/net/client.ts';
import { createL2tpv3 } from '../../src/netdevs/index.ts';
import { createNodeHost, type NodeHost } from '../../src/node/index.ts';
import type { NetdevL2TPv3Options } from '../../src/schema/net.ts';
import { serveFile } from '../kit/guest/services.ts';
import { runUml } from '../kit/guest/uml.ts';
import { describeNative } from '../kit/native.ts';
import { addon, batchOf } from '../kit/native-host.ts';
import { createRecordingContext, digests, give, type RecordingContext, testFrame } from '../kit/netdev-context.ts';
import { describePeer, requirePeer } from '../kit/peers.ts';
import { until } from '../kit/until.ts';

const IP_OPTIONS = 4;
/** Of this process alone: addresses of the loopback, ports, sessions. */
const unique = process.pid % 0xffff;
const ADDRESS_A = `127.77.${unique >> 8}.${unique & 255}`;
const ADDRESS_B = `127.78.${unique >> 8}.${unique & 255}`;
const PORT_A = 30_000 + (process.pid % 10_000) * 2;
const PORT_B = PORT_A + 1;
const SESSION_A = process.pid * 4;
const SESSION_B = process.pid * 4 + 1;

type Way = 'udp4' | 'udp6' | 'ip4' | 'ip6';
const WAYS: readonly Way[] = ['udp4', 'udp6', 'ip4', 'ip6'];
const LONGEST = { udp4: 65_507, udp6: 65_527, ip4: 65_515, ip6: 65_535 } as const;

/** The options of one end; the other end has them crosswise. */
function ends(way: Way, more: Partial<NetdevL2TPv3Options> = {}): [NetdevL2TPv3Options, NetdevL2TPv3Options] {
  const v6 = way.endsWith('6');
  const udp = way.startsWith('udp');
  const [hostA, hostB] = v6 ? ['::1', '::1'] : [ADDRESS_A, ADDRESS_B];
  const common = { ipv6: v6, udp, ...more };
  const { txcookie, rxcookie } = more;
  const cookies = txcookie === undefined ? {} : { txcookie: rxcookie, rxcookie: txcookie };
  return [
    { ...common, src: hostA, dst: hostB, txsession: SESSION_A, rxsession: SESSION_B, ...ports(PORT_A, PORT_B, udp) },
    {
      ...common,
      ...cookies,
      src: hostB,
      dst: hostA,
      txsession: SESSION_B,
      rxsession: SESSION_A,
      ...ports(PORT_B, PORT_A, udp),
    },
  ];
}

const cookies = (value: number | bigint | undefined, isWide: boolean): string =>
  value === undefined
    ? ''
    : BigInt(value)
        .toString(16)
        .padStart(isWide ? 16 : 8, '0');

const ports = (own: number, other: number, udp: boolean): Partial<NetdevL2TPv3Options> =>
  udp ? { srcport: String(own), dstport: String(other) } : {};

let host: NodeHost;
let a: RecordingContext;
let b: RecordingContext;
let clients: NetClient[];
let children: ChildProcess[];

async function open([ofA, ofB]: [NetdevL2TPv3Options, NetdevL2TPv3Options]): Promise<[NetClient, NetClient]> {
  const first = await createL2tpv3(ofA, a);
  clients.push(first);
  const second = await createL2tpv3(ofB, b);
  clients.push(second);
  return [first, second];
}

beforeEach(() => {
  host = createNodeHost({ native: true });
  a = createRecordingContext(host, 'a');
  b = createRecordingContext(host, 'b');
  clients = [];
  children = [];
});

afterEach(async () => {
  for (const child of children) child.kill('SIGKILL');
  for (const client of clients) await client.close();
  expect(host.openSockets).toBe(0);
  await host.close();
});

const needsRoot = process.getuid?.() === 0;

describeNative('l2tpv3 between two netyards', () => {
  for (const way of WAYS) {
    it.runIf(way.startsWith('udp') || needsRoot)(`${way}: frames of all lengths, both ways, in order`, async () => {
      const more = { cookie64: true, txcookie: 0xfedcba9876543210n, rxcookie: 1, counter: true, offset: 7 };
      const [first, second] = await open(ends(way, more));
      const header = (way.startsWith('udp') ? 8 : 4) + 8 + 4 + 7;
      const lengths = [1, 14, 60, 1514, 2048, 2049, 9018, LONGEST[way] - header];
      const sent = lengths.map((n, i) => testFrame(n, i));
      for (const frame of sent) {
        expect(give(first, frame)).toBe(true);
        expect(give(second, frame)).toBe(true);
        await new Promise((resolve) => setImmediate(resolve));
      }
      await until(() => a.port.frames.length === sent.length && b.port.frames.length === sent.length);
      expect(digests(a.port.frames)).toEqual(digests(sent));
      expect(digests(b.port.frames)).toEqual(digests(sent));
      expect(give(first, testFrame(LONGEST[way] - header + 1))).toBe(true);
      expect(a.port.counters.dropped).toMatchObject({ 'too-long': 1 });
    });
  }

  it.runIf(needsRoot)('IPv4 options in front of a packet of ours are skipped', async () => {
    const [options] = ends('ip4');
    clients.push(await createL2tpv3(options, a));
    const raw = await host.sockets.datagram({
      family: 'ipv4',
      rawProtocol: 115,
      bind: { family: 'ipv4', host: ADDRESS_B, port: 0 },
    });
    const nops = Uint8Array.of(1, 1, 1, 1, 1, 1, 1, 1);
    expect(addon().calls.setsockopt(raw.descriptor as number, 0, IP_OPTIONS, nops, 0, nops.length)).toBe(0);
    const session = new Uint8Array(4);
    new DataView(session.buffer).setUint32(0, SESSION_B);
    const frame = testFrame(100);
    raw.sendBatch(batchOf({ family: 'ipv4', host: ADDRESS_A, port: 0 }, Uint8Array.of(...session, ...frame)));
    await until(() => a.port.frames.length === 1);
    expect(a.port.frames[0]).toEqual(frame);
    await raw.close();
  });

  it('a peer that is not there yet: frames are lost and counted, later ones arrive', async () => {
    const [ofA, ofB] = ends('udp4');
    const first = await createL2tpv3(ofA, a);
    clients.push(first);
    for (let i = 0; i < 5; i++) give(first, testFrame(60, i));
    await until(() => (a.port.counters.dropped['send-error'] ?? 0) > 0);
    clients.push(await createL2tpv3(ofB, b));
    await until(() => {
      give(first, testFrame(60, 9));
      return b.port.frames.length > 0;
    });
  });

  it('a storm both ways: whatever happens to frames, the netdevs go on', async () => {
    const [first, second] = await open(ends('udp4'));
    a.port.keep = b.port.keep = false;
    for (let round = 0; round < 300; round++) {
      for (let i = 0; i < 64; i++) {
        give(first, testFrame(1514, i));
        give(second, testFrame(60, i));
      }
      await new Promise((resolve) => setImmediate(resolve));
    }
    const before = b.port.counters.sentFrames;
    await until(() => {
      give(first, testFrame(60));
      return b.port.counters.sentFrames > before;
    });
    expect(b.port.counters.sentFrames).toBeGreaterThan(1000);
  });
});

describe('l2tpv3 without the addon', () => {
  it('works over UDP; directly over IP it says what is missing', async () => {
    const plain = createNodeHost({ native: false });
    try {
      const far = createRecordingContext(plain, 'b');
      const [ofA, ofB] = ends('udp4', { counter: true, offset: 3 });
      const first = await createL2tpv3(ofA, createRecordingContext(plain, 'a'));
      const second = await createL2tpv3(ofB, far);
      give(first, testFrame(9018));
      await until(() => far.port.frames.length === 1);
      expect(digests(far.port.frames)).toEqual(digests([testFrame(9018)]));
      await first.close();
      await second.close();
      await expect(createL2tpv3(ends('ip4')[0], far)).rejects.toMatchObject({
        name: 'QapiError',
        message: 'raw IP sockets need the native layer: see `netyard doctor`',
      });
      expect(plain.openSockets).toBe(0);
    } finally {
      await plain.close();
    }
  });
});

describePeer('l2tpv3 under tshark', needsRoot ? ['tshark'] : ['root'], () => {
  it.each([
    ['udp4', {}, { cookie: 'None', layer: 'None' }],
    ['udp6', { txcookie: 0xdeadbeef, rxcookie: 1 }, { cookie: '4 Byte Cookie', layer: 'None' }],
    [
      'udp4',
      { cookie64: true, txcookie: 0x1122334455667788n, rxcookie: 1, counter: true },
      { cookie: '8 Byte Cookie', layer: 'Default L2-Specific' },
    ],
    ['ip4', { counter: true }, { cookie: 'None', layer: 'Default L2-Specific' }],
    ['ip6', { txcookie: 0xdeadbeef, rxcookie: 1 }, { cookie: '4 Byte Cookie', layer: 'None' }],
  ] as [Way, Partial<NetdevL2TPv3Options>, { cookie: string; layer: string }][])(
    '%s %o',
    async (way, more, { cookie, layer }) => {
      const folder = mkdtempSync(join(tmpdir(), 'ny-l2tp-'));
      const file = join(folder, 'lo.pcap');
      const [ofA, ofB] = ends(way, more);
      const udp = way.startsWith('udp');
      const filter = udp
        ? `udp dst port ${PORT_B}`
        : way === 'ip4'
          ? `ip proto 115 and dst host ${ADDRESS_B}`
          : 'ip6 proto 115';
      const capture = spawn(requirePeer('tshark'), ['-q', '-i', 'lo', '-c', '2', '-w', file, '-f', filter], {
        stdio: ['ignore', 'ignore', 'pipe'],
      });
      children.push(capture);
      const ended = new Promise((resolve) => capture.once('exit', resolve));
      await new Promise<void>((resolve) => {
        capture.stderr.on('data', (text: Buffer) => {
          if (text.includes('Capturing on')) resolve();
        });
      });
      await until(() => existsSync(file));
      const [first] = await open([ofA, ofB]);
      const frame = Uint8Array.of(...[2, 0, 0, 0, 0, 1, 2, 0, 0, 0, 0, 2, 0x88, 0xb5], ...testFrame(86));
      // dumpcap says that it captures shortly before it does.
      for (let sent = 0; capture.exitCode === null && sent < 100; sent++) {
        give(first, frame);
        await new Promise((resolve) => setTimeout(resolve, 50));
      }
      await ended;
      const fields = [
        'l2tp.version',
        'l2tp.type',
        'l2tp.sid',
        'l2tp.cookie',
        'l2tp.l2_spec_s',
        'l2tp.l2_spec_sequence',
      ];
      const decode = udp ? ['-d', `udp.port==${PORT_B},l2tp`] : [];
      const table = execFileSync(
        requirePeer('tshark'),
        [
          '-r',
          file,
          ...decode,
          ...['-d', 'l2tp.pw_type==0,eth'],
          ...['-o', `l2tp.cookie_size:${cookie}`, '-o', `l2tp.l2_specific:${layer}`],
          ...[
            '-T',
            'fields',
            ...fields.flatMap((field) => ['-e', field]),
            '-e',
            'eth.src',
            '-e',
            'data.len',
            '-e',
            'frame.protocols',
            '-E',
            'occurrence=l',
          ],
        ],
        { encoding: 'utf8', stdio: ['ignore', 'pipe', 'ignore'] },
      );
      // The dissector of L2TPv3 over IP finds neither version nor type there.
      const head = udp ? ['3', '0'] : ['', ''];
      const sid = `0x${SESSION_A.toString(16).padStart(8, '0')}`;
      const isWide = more.cookie64 === true;
      const cookieText = cookies(more.txcookie, isWide);
      const sequence = more.counter === true ? ['1', '2'] : ['', ''];
      const flag = more.counter === true ? '0' : '';
      const network = `eth:ethertype:${way.endsWith('6') ? 'ipv6' : 'ip'}${udp ? ':udp' : ''}:l2tp:ethertype:data`;
      expect(table.trimEnd().split('\n')).toEqual(
        sequence.map((number) =>
          [...head, sid, cookieText, flag, number, '02:00:00:00:00:02', '86', network].join('\t'),
        ),
      );
      rmSync(folder, { recursive: true });
    },
  );
});

describePeer('l2tpv3 with user-mode Linux', needsRoot ? ['linux.uml', 'busybox'] : ['root'], () => {
  it.each([
    ['udp4', {}, ''],
    [
      'udp4',
      { txcookie: 0xdeadbeef, rxcookie: 0x01020304, counter: true, pincounter: true },
      'counter=1,pin_counter=1',
    ],
    [
      'udp4',
      { cookie64: true, txcookie: 0x1122334455667788n, rxcookie: 0x8070605040302010n, counter: true },
      'counter=1',
    ],
    ['udp6', { txcookie: 0xdeadbeef, rxcookie: 0x01020304 }, ''],
    ['ip4', { counter: true }, 'counter=1'],
    ['ip6', { cookie64: true, txcookie: 0x1122334455667788n, rxcookie: 0x8070605040302010n }, ''],
  ] as [Way, Partial<NetdevL2TPv3Options>, string][])(
    '%s %o: a ping, and a file over HTTP',
    // User-mode Linux itself panics at boot now and then on a busy machine.
    { retry: 2 },
    async (way, more, extra) => {
      const file = await serveFile(1_000_000);
      const [ours, theirs] = ends(way, more);
      await using yard = await createYard({
        netdevs: ['user,id=u0,net=10.9.0.0/24,host=10.9.0.1', { type: 'l2tpv3', id: 't0', ...ours }],
      });
      const vector = [
        'transport=l2tpv3',
        `src=${theirs.src},dst=${theirs.dst}`,
        ...(ours.udp === true ? ['udp=1', `srcport=${theirs.srcport},dstport=${theirs.dstport}`] : []),
        ...(ours.ipv6 === true ? ['v6=1'] : []),
        `tx_session=${theirs.txsession},rx_session=${theirs.rxsession}`,
        ...(theirs.txcookie === undefined ? [] : [`tx_cookie=${theirs.txcookie},rx_cookie=${theirs.rxcookie}`]),
        ...(theirs.cookie64 === true ? ['cookie64=1'] : []),
        ...(extra === '' ? [] : [extra]),
      ].join(',');
      const script = `
ping -c 2 -w 5 10.9.0.1
wget -q -O - http://10.9.0.1:${file.port}/ | sha256sum
`;
      const { output } = await runUml(vector, '10.9.0.15/24', script, 20_000);
      expect(output).toContain('2 packets received');
      expect(output).toContain(file.sha256);
      await file.close();
      void yard;
    },
  );
});

describePeer("l2tpv3 and QEMU's texts", ['qemu-system-x86_64'], () => {
  const UDP = { src: '127.0.0.1', dst: '127.0.0.1', udp: true, txsession: 1 };
  it.each([
    { ...UDP, offset: 257, rxcookie: 1 },
    { ...UDP, rxcookie: 1 },
    { ...UDP, srcport: '1' },
    { ...UDP, srcport: '1', dstport: 'zz', src: 'nope.invalid' },
    { ...UDP, srcport: '1', dstport: 'zz', dst: '' },
    { ...UDP, srcport: '0', dstport: '5', dst: '::1' },
    { ...UDP, srcport: '0x10', dstport: '5' },
    { ...UDP, srcport: '0', dstport: '5', src: '192.0.2.1' },
    { ...UDP, udp: false, src: '192.0.2.1' },
    { ...UDP, udp: false, src: '' },
  ] as NetdevL2TPv3Options[])('%o', async (options) => {
    const text = Object.entries(options).map(
      ([key, value]) => `${key}=${typeof value === 'boolean' ? (value ? 'on' : 'off') : value}`,
    );
    const qemu = spawnSync(
      requirePeer('qemu-system-x86_64'),
      ['-M', 'none', '-display', 'none', '-monitor', 'none', '-netdev', ['l2tpv3', 'id=l', ...text].join(',')],
      { encoding: 'utf8', timeout: 10_000, stdio: ['ignore', 'ignore', 'pipe'] },
    );
    const expected = /^.*?-netdev [^ ]*: (.*)$/m.exec(qemu.stderr)?.[1];
    expect(expected, qemu.stderr).toBeDefined();
    await expect(createL2tpv3(options, a)).rejects.toMatchObject({ message: expected });
  });
});
