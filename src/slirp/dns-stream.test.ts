/** DNS over TCP: one guest's connection, several servers that behave in several ways. */
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { createTestHost, type TestHost } from '../../tests/kit/host.ts';
import { SOCKET_FAILED, type StreamSocket } from '../net/host.ts';
import * as w from '../wire/index.ts';
import { DnsStreams, IDLE_MS, MAX_HELD, MAX_STREAM_BYTES } from './dns-stream.ts';

const FIRST = '127.0.0.53';
const SECOND = '127.0.0.54';

type Reply = (query: Uint8Array, socket: StreamSocket) => Uint8Array[];

let test: TestHost;
let streams: DnsStreams;
let drops: string[];

beforeEach(() => {
  test = createTestHost();
  drops = [];
  streams = new DnsStreams(
    test.host,
    ({ host }) => host === '127.0.0.99',
    (reason) => drops.push(reason),
  );
  name([FIRST, SECOND]);
});

afterEach(async () => {
  await test.settle();
  expect(streams.memory.used).toBe(0);
});

const name = (servers: string[]): void =>
  test.resolver.setServers(servers.map((host) => ({ family: 'ipv4', host, port: 53 })));

function framed(message: Uint8Array): Uint8Array {
  const bytes = new Uint8Array(2 + message.length);
  w.put16(bytes, 0, message.length);
  bytes.set(message, 2);
  return bytes;
}

function query(id: number, question = `n${id}.example`): Uint8Array {
  const bytes = new Uint8Array(300);
  return bytes.slice(0, w.emitDns(bytes, 0, id, w.DNS_RECURSION_DESIRED, w.dnsLabels(question) ?? [], 1, 1));
}

function reply(to: Uint8Array, code = 0): Uint8Array {
  const bytes = to.slice();
  w.put16(bytes, 2, 0x8180 | code);
  return bytes;
}

const answers: Reply = (bytes) => [framed(reply(bytes))];
const refuses =
  (code: number): Reply =>
  (bytes) => [framed(reply(bytes, code))];
const isSilent: Reply = () => [];

function closing(socket: StreamSocket, last: Uint8Array = new Uint8Array(0)): Uint8Array[] {
  socket.write(last, 0, last.length);
  socket.close();
  return [];
}

function resetting(socket: StreamSocket): Uint8Array[] {
  socket.reset();
  return [];
}

/** @returns the queries it got. */
async function serve(host: string, behaviour: Reply): Promise<number[]> {
  const listener = await test.network.local.sockets.listen({ family: 'ipv4', host, port: 53 });
  const seen: number[] = [];
  listener.onConnection = (socket) => {
    let text: number[] = [];
    const buffer = new Uint8Array(70_000);
    socket.onEvent = (event) => {
      if (event !== 'readable') return;
      const count = socket.readInto(buffer, 0, buffer.length);
      if (count === 0) socket.close();
      if (count <= 0) return;
      text.push(...buffer.subarray(0, count));
      for (let size = 2 + (text[0] ?? 0) * 256 + (text[1] ?? 0); text.length >= size && text.length > 2; ) {
        const message = Uint8Array.from(text.slice(2, size));
        text = text.slice(size);
        seen.push(w.dnsId(message, 0));
        for (const bytes of behaviour(message, socket)) socket.write(bytes, 0, bytes.length);
        size = 2 + (text[0] ?? 0) * 256 + (text[1] ?? 0);
      }
    };
    socket.interest(true, false);
  };
  return seen;
}

/** The side that TCP of the stack has. */
class Guest {
  readonly socket: StreamSocket;
  readonly events: string[] = [];
  readonly got: number[] = [];
  ended = false;
  reading = true;

  constructor(ingress = 1) {
    this.socket = streams.open(ingress);
    const buffer = new Uint8Array(1000);
    this.socket.onEvent = (event) => {
      if (event !== 'readable') this.events.push(event);
      if (event === 'connected') this.socket.interest(this.reading, false);
      if (event !== 'readable') return;
      const count = this.socket.readInto(buffer, 0, buffer.length);
      if (count > 0) this.got.push(...buffer.subarray(0, count));
      if (count !== 0) return;
      this.ended = true;
      this.socket.interest(false, false);
    };
  }

  ask(...ids: number[]): void {
    for (const id of ids) this.write(framed(query(id)));
  }

  write(bytes: Uint8Array): number {
    return this.socket.write(bytes, 0, bytes.length);
  }

  /** `id:code` of what came. */
  answers(): string[] {
    const found: string[] = [];
    const bytes = Uint8Array.from(this.got);
    for (let at = 0; at < bytes.length; at += 2 + w.u16(bytes, at)) {
      found.push(`${w.dnsId(bytes, at + 2)}:${w.dnsResponseCode(bytes, at + 2)}`);
    }
    return found;
  }
}

describe('dns over TCP', () => {
  it('a query is answered; the end of the guest is that of the server, and back', async () => {
    const seen = await serve(FIRST, answers);
    const guest = new Guest();
    await test.settle();
    expect([guest.events, seen]).toEqual([['connected'], []]);
    guest.ask(7);
    await test.settle();
    expect([guest.answers(), guest.ended, seen]).toEqual([['7:0'], false, [7]]);
    guest.socket.shutdown();
    await test.settle();
    expect(guest.ended).toBe(true);
    guest.socket.close();
    await test.settle();
    expect(test.leaks().filter((leak) => leak.startsWith('stream to'))).toEqual([]);
  });

  it.each<[string, Reply | undefined, number]>([
    ['is gone', undefined, 0],
    ['says SERVFAIL', refuses(2), 0],
    ['says NOTIMP', refuses(4), 0],
    ['says REFUSED', refuses(5), 0],
    ['closes without a word', (_, socket) => closing(socket), 0],
    ['breaks off in the middle of its answer', (q, socket) => closing(socket, framed(reply(q)).subarray(0, 9)), 0],
    ['resets', (_, socket) => resetting(socket), 0],
    ['answers something else', (q) => [framed(reply(query(w.dnsId(q, 0), 'other.example')))], 2000],
    ['is silent', isSilent, 2000],
    ['sends what is too short', () => [Uint8Array.of(0, 3, 1, 2, 3)], 0],
  ])('when the first server %s the next one is asked', async (what, first, after) => {
    if (first !== undefined) await serve(FIRST, first);
    const seen = await serve(SECOND, answers);
    const guest = new Guest();
    guest.ask(7, 8);
    await test.elapse(after + 10);
    if (what === 'answers something else') expect(guest.answers().slice(-2)).toEqual(['7:0', '8:0']);
    else expect(guest.answers()).toEqual(['7:0', '8:0']);
    expect(seen).toEqual([7, 8]);
    guest.socket.close();
  });

  it('a server whose address leads nowhere is left for the next one', async () => {
    test.network.fail({ on: 'connect', host: FIRST, code: 'ENETUNREACH' });
    await serve(SECOND, answers);
    const guest = new Guest();
    guest.ask(7);
    await test.settle();
    expect(guest.answers()).toEqual(['7:0']);
    guest.socket.close();
  });

  it('no such name is an answer; the last refusal is passed on', async () => {
    await serve(FIRST, (bytes) => [framed(reply(bytes, w.dnsId(bytes, 0) === 1 ? 3 : 2))]);
    await serve(SECOND, refuses(5));
    const guest = new Guest();
    guest.ask(1);
    await test.settle();
    guest.ask(2);
    await test.settle();
    expect(guest.answers()).toEqual(['1:3', '2:5']);
    guest.socket.close();
  });

  it('the guest is refused when every server refuses the connection, and told when none takes it', async () => {
    const guest = new Guest();
    await test.settle();
    expect([guest.events, guest.socket.error?.code]).toEqual([['error'], 'ECONNREFUSED']);
    guest.socket.close();
    test.network.fail({ on: 'connect', code: 'none' });
    const patient = new Guest();
    await test.elapse(9999);
    expect(patient.events).toEqual([]);
    await test.elapse(2);
    expect([patient.events, patient.socket.error?.code]).toEqual([['error'], 'ETIMEDOUT']);
    patient.socket.close();
  });

  it('a first server that does not take the connection is left for the next one', async () => {
    test.network.fail({ on: 'connect', host: FIRST, code: 'none' });
    await serve(SECOND, answers);
    const guest = new Guest();
    await test.elapse(2001);
    expect(guest.events).toEqual(['connected']);
    guest.ask(1);
    await test.settle();
    expect(guest.answers()).toEqual(['1:0']);
    guest.socket.close();
  });

  it('queries that are refused everywhere leave the others their answers, and the connection', async () => {
    const refused = (id: number): boolean => id % 2 === 1;
    const late =
      (code: number): Reply =>
      (bytes, socket) => {
        const id = w.dnsId(bytes, 0);
        const message = framed(reply(bytes, refused(id) ? code : 0));
        test.loop.after(refused(id) ? id : 1000, () => socket.write(message, 0, message.length));
        return [];
      };
    const first = await serve(FIRST, late(2));
    const second = await serve(SECOND, late(5));
    const guest = new Guest();
    const ids = [1, 2, 3, 4, 5, 6, 7, 8, 9, 10];
    guest.ask(...ids);
    guest.socket.shutdown();
    await test.elapse(1100);
    expect(guest.answers().sort()).toEqual(ids.map((id) => `${id}:${refused(id) ? 5 : 0}`).sort());
    expect([first, second.sort()]).toEqual([ids, ids.filter(refused)]);
    expect([guest.ended, streams.statistics()['dns.streamsFailed']]).toEqual([true, 0]);
    guest.socket.close();
  });

  it('a silent server is left for the next one, at no cost to what was asked just now', async () => {
    const first = await serve(FIRST, isSilent);
    const second = await serve(SECOND, isSilent);
    const guest = new Guest();
    guest.ask(1);
    await test.elapse(1999);
    guest.ask(2);
    await test.elapse(8002);
    expect(guest.answers()).toEqual(['1:2']);
    await test.elapse(2000);
    expect(guest.answers()).toEqual(['1:2', '2:2']);
    expect([first.length, second.length]).toEqual([6, 5]);
    guest.socket.close();
  });

  it('a server that closes after one answer is asked the rest on new connections', async () => {
    const first = await serve(FIRST, (bytes, socket) => closing(socket, framed(reply(bytes))));
    const second = await serve(SECOND, answers);
    const guest = new Guest();
    guest.ask(1, 2, 3, 4);
    await test.settle();
    expect(guest.answers()).toEqual(['1:0', '2:0', '3:0', '4:0']);
    expect([new Set(first).size, second]).toEqual([4, []]);
    guest.socket.close();
  });

  it.each([[[]], [[2]]])(
    'while the guest does not read no server is silent, and no transfer idle: then %j',
    async (then) => {
      const second = await serve(SECOND, answers);
      const part = new Uint8Array(20_000);
      await serve(FIRST, (bytes, socket) => {
        part.set(reply(bytes));
        const message = framed(part);
        const send = (): void => {
          socket.write(message, 0, message.length);
        };
        if (w.dnsId(bytes, 0) === 2) return [framed(reply(bytes))];
        for (let n = 0; n < 12; n++) test.loop.after(n, send);
        return [];
      });
      const guest = new Guest();
      guest.reading = false;
      await test.settle();
      guest.ask(1);
      await test.elapse(100);
      guest.ask(...then);
      await test.elapse(4 * IDLE_MS);
      guest.socket.interest(true, false);
      await test.elapse(100);
      expect(guest.answers()).toEqual([...new Array(12).fill('1:0'), ...then.map((id) => `${id}:0`)]);
      expect([second, guest.ended]).toEqual([[], false]);
      await test.elapse(IDLE_MS);
      expect(guest.ended).toBe(true);
      guest.socket.close();
    },
  );

  it('nobody answers: SERVFAIL', async () => {
    await serve(FIRST, (_, socket) => closing(socket));
    await serve(SECOND, (_, socket) => closing(socket));
    const guest = new Guest();
    await test.settle();
    guest.ask(1, 2);
    await test.settle();
    expect(guest.answers()).toEqual(['1:2', '2:2']);
    guest.socket.close();
  });

  it('nobody answers in time: SERVFAIL', async () => {
    await serve(FIRST, isSilent);
    name([FIRST]);
    const patient = new Guest();
    patient.ask(3);
    await test.elapse(9999);
    expect(patient.answers()).toEqual([]);
    await test.elapse(2);
    expect(patient.answers()).toEqual(['3:2']);
    patient.socket.close();
    expect(streams.statistics()).toMatchObject({ 'dns.streamsFailed': 1 });
  });

  it('the only server may take its time', async () => {
    name([FIRST]);
    const seen = await serve(FIRST, (bytes, socket) => {
      const late = framed(reply(bytes));
      test.loop.after(7000, () => socket.write(late, 0, late.length));
      return [];
    });
    const guest = new Guest();
    guest.ask(1);
    await test.elapse(7001);
    expect([guest.answers(), seen]).toEqual([['1:0'], [1]]);
    guest.socket.close();
  });

  it('a monitor of ours is not asked', async () => {
    const seen = await serve('127.0.0.99', answers);
    await serve(SECOND, answers);
    name(['127.0.0.99', SECOND]);
    const guest = new Guest();
    guest.ask(1);
    await test.settle();
    expect([guest.answers(), seen]).toEqual([['1:0'], []]);
    guest.socket.close();
  });

  it('bytes come in any pieces, answers in any order and of any size, and a transfer has many', async () => {
    const large = new Uint8Array(60_000);
    await serve(FIRST, (bytes) => {
      const [answer] = answers(bytes, undefined as never) as [Uint8Array];
      if (w.dnsId(bytes, 0) !== 2) return [answer];
      large.set(reply(bytes));
      return [answer, framed(large), answer];
    });
    const guest = new Guest();
    const sent = Uint8Array.from([1, 2, 3].flatMap((id) => [...framed(query(id))]));
    for (const byte of sent) guest.write(Uint8Array.of(byte));
    await test.settle();
    expect(guest.answers()).toEqual(['1:0', '2:0', '2:0', '2:0', '3:0']);
    guest.socket.close();
  });

  it('a guest that does not read is not answered without end', async () => {
    await serve(FIRST, (bytes) =>
      Array.from({ length: 12 }, () => framed(Uint8Array.from([...reply(bytes), ...new Uint8Array(20_000)]))),
    );
    const guest = new Guest();
    guest.reading = false;
    await test.settle();
    guest.ask(1);
    await test.elapse(100);
    expect(streams.memory.used).toBeLessThan(150_000);
    guest.socket.interest(true, false);
    await test.elapse(100);
    expect(guest.answers().length).toBe(12);
    guest.socket.close();
  });

  it('what is no query ends the connection', async () => {
    const tooLong = Uint8Array.of(0xff, 0xff);
    const tooShort = Uint8Array.of(0, 4);
    for (const bytes of [tooLong, tooShort, framed(reply(query(1)))]) {
      const guest = new Guest();
      expect(guest.write(bytes)).toBe(SOCKET_FAILED);
      expect(guest.socket.error).toBeDefined();
      guest.socket.close();
    }
    expect(drops).toEqual(new Array(3).fill('dns-stream-message'));
  });

  it('holds little for a connection, and for a port its share', async () => {
    await serve(FIRST, isSilent);
    const guest = new Guest();
    let taken = 0;
    while (guest.socket.room() > 0) {
      const n = guest.write(framed(query(taken & 0xffff)));
      if (n < 0) break;
      taken += n;
    }
    expect(taken).toBeLessThan(MAX_HELD + 300);
    guest.socket.close();
    const half = new Uint8Array(2);
    w.put16(half, 0, 4096);
    const many: Guest[] = [];
    while (drops.length === 0) {
      const one = new Guest();
      many.push(one);
      one.write(half);
    }
    expect(drops).toEqual(['dns-stream-limit']);
    expect(streams.memory.used).toBeLessThan((MAX_STREAM_BYTES * 3) / 4 + 4098);
    const other = new Guest(2);
    expect(other.write(half)).toBe(2);
    for (const one of [...many, other]) one.socket.close();
  });

  it('ends when nothing was asked for a while, or the server has ended', async () => {
    await serve(FIRST, (bytes, socket) => {
      const [answer] = answers(bytes, socket) as [Uint8Array];
      socket.write(answer, 0, answer.length);
      if (w.dnsId(bytes, 0) === 2) socket.close();
      return [];
    });
    const idle = new Guest();
    idle.ask(1);
    await test.elapse(IDLE_MS - 1);
    expect(idle.ended).toBe(false);
    await test.elapse(2);
    expect(idle.ended).toBe(true);
    const other = new Guest();
    other.ask(2);
    await test.settle();
    expect([other.answers(), other.ended]).toEqual([['2:0'], true]);
    // Too late: it hears of the end.
    other.ask(3);
    idle.socket.close();
    other.socket.close();
  });
});
