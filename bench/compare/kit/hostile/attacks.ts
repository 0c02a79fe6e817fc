/** What the hostile guest does. Each attack begins at once and goes on at full rate until it is ended. */
import { TCP_ACK, TCP_PSH, TCP_RST, TCP_SYN } from '../../../../src/wire/index.ts';
import { announcement, ethernet, fragment, GATEWAY, type Heard, ping, query, type Sender, tcp, udp } from './frames.ts';

/** The hostile guest's wire. */
export interface Wire {
  readonly self: Sender;
  /** Sends these frames again and again, as fast as they are taken. */
  flood(frames: readonly Uint8Array[]): void;
  /** Sends a frame once. */
  send(frame: Uint8Array): void;
  /** Called with the TCP that comes back. */
  onTcp: (heard: Heard) => void;
  /** Calls back every so many milliseconds. */
  every(milliseconds: number, act: () => void): void;
}

export interface Ports {
  readonly echo: number;
  /** Sends without end. */
  readonly source: number;
  readonly quietMac: number;
  readonly quietAddress: number;
}

export interface Attack {
  readonly name: string;
  readonly title: string;
  /** Descriptors the yard may have, where it is not what the machine gives. */
  readonly descriptors?: number;
  begin(wire: Wire, ports: Ports): void;
}

const BROADCAST = 0xffffffffffff;
const BYTE = Uint8Array.of(0x78);
/** Nobody answers there: RFC 2544's network, routed to nowhere. */
const SILENT = 0xc6120000;
const range = <T>(count: number, make: (i: number) => T): T[] => Array.from({ length: count }, (_, i) => make(i));
const random = (below: number): number => Math.floor(Math.random() * below);

/** One of many faces of the same guest: an address and a MAC of its own choice. */
const invented = (i: number): Sender => ({ mac: 0x525400bb0000 + i, address: 0x0a000300 + (i % 0xfc00) });

function flooding(name: string, title: string, frames: (wire: Wire, ports: Ports) => Uint8Array[]): Attack {
  return { name, title, begin: (wire, ports) => wire.flood(frames(wire, ports)) };
}

const syn = (from: Sender, port: number, to: number, toPort: number): Uint8Array =>
  tcp(from, { port, to, toPort, seq: random(0x1_0000_0000), flags: TCP_SYN });

/** Opens `count` connections, a few at a time, from one or more addresses. What is said to each is its first data. */
function opening(
  wire: Wire,
  faces: readonly Sender[],
  count: number,
  toPort: number,
  options: { readonly window?: number; readonly say?: Uint8Array; readonly acknowledge?: boolean } = {},
): void {
  const { window = 65_535, say, acknowledge = false } = options;
  const sequences = new Map<string, number>();
  for (const face of faces) wire.send(announcement(face));
  let opened = 0;
  wire.every(20, () => {
    for (let i = 0; i < 40 && opened < count; i++, opened++) {
      const face = faces[opened % faces.length] as Sender;
      const port = 1024 + Math.floor(opened / faces.length);
      const seq = random(0x1_0000_0000);
      sequences.set(`${face.address}:${port}`, seq + 1);
      wire.send(tcp(face, { port, to: GATEWAY, toPort, seq, flags: TCP_SYN }));
    }
  });
  wire.onTcp = ({ address, port, seq, flags, payloadLength }) => {
    const face = faces.find((one) => one.address === address);
    const key = `${address}:${port}`;
    const next = sequences.get(key);
    if (face === undefined || next === undefined || (flags & TCP_RST) !== 0) return;
    if ((flags & TCP_SYN) !== 0) {
      const ack = seq + 1;
      if (say === undefined) {
        wire.send(tcp(face, { port, to: GATEWAY, toPort, seq: next, ack, flags: TCP_ACK, window }));
        return;
      }
      sequences.set(key, next + say.length);
      wire.send(
        tcp(face, { port, to: GATEWAY, toPort, seq: next, ack, flags: TCP_ACK | TCP_PSH, window, payload: say }),
      );
    } else if (acknowledge && payloadLength > 0) {
      wire.send(tcp(face, { port, to: GATEWAY, toPort, seq: next, ack: seq + payloadLength, flags: TCP_ACK, window }));
    }
  };
}

const two = (wire: Wire): Sender[] => [wire.self, { mac: wire.self.mac, address: wire.self.address + 1 }];

export const ATTACKS: readonly Attack[] = [
  { name: 'none', title: 'nothing', begin: () => {} },
  flooding('syn-closed', 'SYNs to closed ports of the host', ({ self }) =>
    range(20_000, (i) => syn(self, 1024 + i, GATEWAY, 20_000 + (i % 3000))),
  ),
  flooding('syn-closed-spoofed', 'the same, random addresses and MACs', () =>
    range(20_000, (i) => syn(invented(random(60_000)), 1024 + i, GATEWAY, 20_000 + (i % 3000))),
  ),
  flooding('half-open', 'half-open connections from 200 addresses', (_, { echo }) =>
    range(20_000, (i) => syn(invented(i % 200), 1024 + Math.floor(i / 200), GATEWAY, echo)),
  ),
  flooding('udp-ports', 'datagrams from 60,000 source ports', ({ self }) =>
    range(60_000, (i) => udp(self, 1024 + i, GATEWAY, 9, BYTE)),
  ),
  flooding('dns', 'DNS queries from one address', ({ self }) =>
    range(20_000, (i) => query(self, 1024 + i, i, `n${i}.test`)),
  ),
  flooding('dns-spoofed', 'DNS queries, random addresses', () =>
    range(20_000, (i) => query(invented(random(60_000)), 1024 + i, i, `n${i}.test`)),
  ),
  {
    name: 'dns-12000',
    title: '12,000 spoofed DNS queries a second',
    begin: (wire) => {
      let next = 0;
      wire.every(10, () => {
        for (let i = 0; i < 120; i++, next++) {
          wire.send(query(invented(random(60_000)), 1024 + (next % 60_000), next & 0xffff, `m${next}.test`));
        }
      });
    },
  },
  flooding('pings', 'pings with new identifiers', ({ self }) => range(20_000, (i) => ping(self, i, 1, SILENT + 1, 8))),
  flooding('pings-gateway', 'pings of 1,400 bytes to the gateway', ({ self }) =>
    range(1000, (i) => ping(self, 7, i, GATEWAY, 1400)),
  ),
  flooding('arp', 'ARP announcements, random addresses', () => range(20_000, (i) => announcement(invented(i)))),
  flooding('fragments', 'overlapping, tiny and late fragments from 140 addresses', () =>
    range(20_000, (i) => fragment(invented(i % 140), i >> 2, (i & 3) * 8, (i & 3) === 3 ? 12 : 24, (i & 3) !== 3)),
  ),
  flooding('unicast-1500', 'a flood at the quiet guest, 1,500 bytes', ({ self }, { quietMac }) =>
    range(200, () => ethernet(self, quietMac, 0x88b5, new Uint8Array(1486))),
  ),
  flooding('unicast-60', 'a flood at the quiet guest, 60 bytes', ({ self }, { quietMac }) =>
    range(2000, () => ethernet(self, quietMac, 0x88b5, new Uint8Array(46))),
  ),
  flooding('broadcast', 'a broadcast storm', ({ self }) =>
    range(2000, () => ethernet(self, BROADCAST, 0x88b5, new Uint8Array(46))),
  ),
  flooding('macs', 'frames from random MACs', () =>
    range(20_000, () => ethernet(invented(random(60_000)), 0x525400ccdd01, 0x88b5, new Uint8Array(46))),
  ),
  {
    name: 'pool',
    title: '1,100 one-byte answers never acknowledged, two addresses',
    begin: (wire, { echo }) => opening(wire, two(wire), 1100, echo, { say: BYTE }),
  },
  {
    name: 'downloads-unread',
    title: '1,500 downloads never acknowledged, two addresses',
    begin: (wire, { source }) => opening(wire, two(wire), 1500, source),
  },
  {
    name: 'downloads',
    title: '1,000 fast downloads, one address',
    begin: (wire, { source }) => opening(wire, [wire.self], 1000, source, { acknowledge: true }),
  },
  {
    name: 'window-0',
    title: '9,000 connections with window 0, two addresses',
    begin: (wire, { source }) => opening(wire, two(wire), 9000, source, { window: 0 }),
  },
  {
    name: 'idle',
    title: '14,000 idle connections, two addresses',
    begin: (wire, { echo }) => opening(wire, two(wire), 14_000, echo),
  },
  {
    name: 'idle-1024',
    title: '800 idle connections, 1,024 descriptors',
    descriptors: 1024,
    begin: (wire, { echo }) => opening(wire, [wire.self], 800, echo),
  },
  {
    name: 'syn-silent',
    title: '2,000 SYNs to silent hosts, two addresses',
    begin: (wire) => {
      const faces = two(wire);
      let next = 0;
      wire.every(20, () => {
        for (let i = 0; i < 40 && next < 2000; i++, next++) {
          wire.send(syn(faces[next & 1] as Sender, 1024 + (next >> 1), SILENT + 1 + (next % 250), 80));
        }
      });
    },
  },
  flooding('syn-victim', 'SYNs to silent hosts with the quiet guest’s address', ({ self }, { quietAddress }) =>
    range(900, (i) => syn({ mac: self.mac, address: quietAddress }, 1024 + i, SILENT + 1 + (i % 250), 80)),
  ),
];
