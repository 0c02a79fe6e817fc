/** getfd and closefd over a unix monitor of the native layer. */
import { closeSync, existsSync, mkdtempSync, openSync, readdirSync, readlinkSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, expect, it, vi } from 'vitest';
import { describeNative } from '../../tests/kit/native.ts';
import { addon, openDescriptors, socketPair } from '../../tests/kit/native-host.ts';
import { until } from '../../tests/kit/until.ts';
import { nativeDrivers, portableDrivers } from '../netdevs/index.ts';
import { createNodeHost, type NodeHost } from '../node/index.ts';
import { Yard } from '../yard/index.ts';
import { type MonitorSpec, parseChardev, parseQmpDevice } from './chardev.ts';
import type { QmpMonitor } from './monitor.ts';
import { startQmpMonitor } from './qmp-monitor.ts';

const SOCK_STREAM = 1;
const SOCK_DGRAM = 2;
const SOCK_SEQPACKET = 5;
const MSG_DONTWAIT = 0x40;

let host: NodeHost;
let yard: Yard;
let monitor: QmpMonitor;
let directory: string;
let path: string;

beforeEach(async () => {
  host = createNodeHost({ native: true });
  yard = new Yard({ host, drivers: { ...portableDrivers, ...nativeDrivers }, version: 'test' });
  directory = mkdtempSync(join(tmpdir(), 'ny-getfd-'));
  path = join(directory, 'qmp');
  const spec = { device: parseQmpDevice(`unix:${path},server=on,wait=off`), pretty: false };
  monitor = await startQmpMonitor(spec, yard, { sockets: host.sockets });
});

afterEach(async () => {
  await monitor.close();
  await yard.close();
  await host.close();
  expect(existsSync(path)).toBe(false);
  rmSync(directory, { recursive: true });
});

/** A client that can pass descriptors. */
class Client {
  readonly #fd: number;
  #text = '';

  /** @param fd connected already */
  constructor(fd?: number) {
    const { calls } = addon();
    this.#fd = fd ?? calls.socket(1, SOCK_STREAM, 0);
    if (fd !== undefined) return;
    const address = new Uint8Array(110);
    new DataView(address.buffer).setUint16(0, 1, true);
    address.set(new TextEncoder().encode(path), 2);
    expect(calls.connect(this.#fd, address, 0, address.length)).toBe(0);
  }

  /** Sends a request, with descriptors that are closed here, and gives the reply's line. */
  call(request: string, ...descriptors: number[]): Promise<string> {
    this.send(request, ...descriptors);
    return this.line();
  }

  send(request: string, ...descriptors: number[]): void {
    const bytes = new TextEncoder().encode(request);
    const sent =
      descriptors.length === 0
        ? addon().calls.send(this.#fd, bytes, 0, bytes.length, 0)
        : addon().sendDescriptors(this.#fd, bytes, 0, bytes.length, new Int32Array(descriptors), descriptors.length);
    expect(sent).toBe(bytes.length);
    for (const descriptor of descriptors) closeSync(descriptor);
  }

  async line(): Promise<string> {
    const bytes = new Uint8Array(4096);
    while (!this.#text.includes('\r\n')) {
      const count = addon().calls.recv(this.#fd, bytes, 0, bytes.length, MSG_DONTWAIT);
      if (count > 0) this.#text += Buffer.from(bytes.subarray(0, count)).toString('latin1');
      else if (count === 0) throw new RangeError('closed');
      else await new Promise((resolve) => setImmediate(resolve));
    }
    const end = this.#text.indexOf('\r\n');
    const line = this.#text.slice(0, end);
    this.#text = this.#text.slice(end + 2);
    return line;
  }

  close(): void {
    addon().calls.close(this.#fd);
  }
}

async function connected(): Promise<Client> {
  const client = new Client();
  await client.line();
  expect(await client.call('{"execute":"qmp_capabilities"}')).toBe('{"return": {}}');
  return client;
}

const named = (command: string, fdname: string): string => JSON.stringify({ execute: command, arguments: { fdname } });
const file = (): number => openSync('/dev/null', 'r');
/** What a number is; '' for none. */
const linkOf = (number: number | string): string => {
  try {
    return readlinkSync(`/proc/self/fd/${number}`);
  } catch {
    return '';
  }
};
const OK = '{"return": {}}';
const generic = (desc: string): string => `{"error": {"class": "GenericError", "desc": "${desc}"}}`;

describeNative('getfd on other monitors than a listening one', () => {
  /** A client on this end of a connection that the yard has as `device`. */
  async function served(end: number, device: MonitorSpec['device']): Promise<void> {
    const other = await startQmpMonitor({ device, pretty: false }, yard, { sockets: host.sockets });
    const client = new Client(end);
    await client.line();
    expect(await client.call('{"execute":"qmp_capabilities"}')).toBe(OK);
    expect(await client.call(named('getfd', 'x'), file())).toBe(OK);
    expect(await client.call(named('closefd', 'x'))).toBe(OK);
    client.close();
    await other.close();
  }

  it('one that connects takes descriptors', async () => {
    const before = openDescriptors();
    const { calls } = addon();
    const listener = calls.socket(1, SOCK_STREAM, 0);
    const address = new Uint8Array(110);
    new DataView(address.buffer).setUint16(0, 1, true);
    const at = join(directory, 'server');
    address.set(new TextEncoder().encode(at), 2);
    expect(calls.bind(listener, address, 0, address.length)).toBe(0);
    expect(calls.listen(listener, 1)).toBe(0);
    const starting = startQmpMonitor({ device: parseQmpDevice(`unix:${at}`), pretty: false }, yard, {
      sockets: host.sockets,
    });
    const client = new Client(calls.accept4(listener, 0));
    const other = await starting;
    expect(other.address).toBe(`unix:${at}`);
    await client.line();
    expect(await client.call('{"execute":"qmp_capabilities"}')).toBe(OK);
    expect(await client.call(named('getfd', 'x'), file())).toBe(OK);
    expect(await client.call(named('closefd', 'x'))).toBe(OK);
    client.close();
    calls.close(listener);
    await other.close();
    await until(() => openDescriptors() === before);
  });

  it('one on a connected descriptor takes descriptors', async () => {
    const [a, b] = socketPair(SOCK_STREAM);
    await served(b, parseChardev(`socket,id=c,fd=${a}`).device);
  });

  it('a listening descriptor serves, as libvirt gives it, and its path stays', async () => {
    const { calls } = addon();
    const listener = calls.socket(1, SOCK_STREAM, 0);
    const address = new Uint8Array(110);
    new DataView(address.buffer).setUint16(0, 1, true);
    const at = join(directory, 'given');
    address.set(new TextEncoder().encode(at), 2);
    expect(calls.bind(listener, address, 0, address.length)).toBe(0);
    expect(calls.listen(listener, 1)).toBe(0);
    const end = calls.socket(1, SOCK_STREAM, 0);
    expect(calls.connect(end, address, 0, address.length)).toBe(0);
    await served(end, parseChardev(`socket,id=c,fd=${listener},server=on,wait=off`).device);
    expect(existsSync(at)).toBe(true);
    expect(linkOf(listener)).toBe('');
  });

  it.each([
    ['', 'is not a socket'],
    [',server=on,wait=off', 'is not a socket'],
  ])('what is no socket is refused%s', async (options, message) => {
    const fd = file();
    const { device } = parseChardev(`socket,id=c,fd=${fd}${options}`);
    await expect(startQmpMonitor({ device, pretty: false }, yard, { sockets: host.sockets })).rejects.toThrow(
      `File descriptor '${fd}' ${message}`,
    );
    closeSync(fd);
  });

  it('a descriptor of the wrong kind is refused', async () => {
    const [a, b] = socketPair(SOCK_STREAM);
    const { device } = parseChardev(`socket,id=c,fd=${a},server=on,wait=off`);
    await expect(startQmpMonitor({ device, pretty: false }, yard, { sockets: host.sockets })).rejects.toThrow(
      `File descriptor '${a}' is not a listening socket`,
    );
    closeSync(b);
  });
});

describeNative('getfd and closefd', () => {
  it("answers with QEMU's texts and leaves no descriptor", async () => {
    const client = await connected();
    const before = openDescriptors();
    expect(await client.call(named('getfd', 'x'))).toBe(generic('No file descriptor supplied via SCM_RIGHTS'));
    expect(await client.call(named('closefd', 'x'))).toBe(generic("File descriptor named 'x' not found"));
    expect(await client.call(named('getfd', '1x'), file())).toBe(
      generic("Parameter 'fdname' expects a name not starting with a digit"),
    );
    expect(openDescriptors()).toBe(before);
    expect(await client.call(named('getfd', 'x'), file())).toBe(OK);
    expect(openDescriptors()).toBe(before + 1);
    // The name's old descriptor is closed, and so are the further ones of a message.
    expect(await client.call(named('getfd', 'x'), file(), file(), file())).toBe(OK);
    expect(openDescriptors()).toBe(before + 1);
    expect(await client.call(named('closefd', 'x'))).toBe(OK);
    expect(openDescriptors()).toBe(before);
    client.close();
  });

  it('a name makes a stream and is used up by it', async () => {
    const client = await connected();
    const [a, b] = socketPair(SOCK_STREAM);
    expect(await client.call(named('getfd', 'wire'), a)).toBe(OK);
    const add = (id: string) =>
      JSON.stringify({ execute: 'netdev_add', arguments: { type: 'stream', id, addr: { type: 'fd', str: 'wire' } } });
    const lines = [await client.call(add('s0')), await client.line()].sort();
    expect(lines[0]).toBe(OK);
    expect(lines[1]).toMatch(/NETDEV_STREAM_CONNECTED/);
    expect(lines[1]).toContain('{"type": "unix", "path": ""}');
    expect(await client.call(add('s1'))).toBe(generic("File descriptor named 'wire' has not been found"));
    closeSync(b);
    expect(await client.line()).toContain('NETDEV_STREAM_DISCONNECTED');
    client.close();
  });

  it('its number is refused while it has a name or waits for one, and is as any other after that', async () => {
    const client = await connected();
    const before = openDescriptors();
    const add = (str: string): string =>
      JSON.stringify({ execute: 'netdev_add', arguments: { type: 'stream', id: 's0', addr: { type: 'fd', str } } });
    const tap = (fd: string): string =>
      JSON.stringify({ execute: 'netdev_add', arguments: { type: 'tap', id: 't0', fd } });
    const [a, b] = socketPair(SOCK_STREAM);
    const what = linkOf(a);
    expect(await client.call('{"execute":"query-name"}', a)).toBe(OK);
    const number = readdirSync('/proc/self/fd').find((one) => linkOf(one) === what) ?? '';
    const refused = async (): Promise<void> => {
      for (const text of [number, `00${number}`]) {
        const refusal = `File descriptor '${text}' was passed to a monitor: use the name that getfd gives it`;
        for (const request of [add(text), tap(text)]) expect(await client.call(request)).toBe(generic(refusal));
      }
    };
    await refused();
    expect(await client.call(named('getfd', 'wire'))).toBe(OK);
    await refused();
    expect([await client.call(add('wire')), await client.line()]).toContain(OK);
    expect(await client.call(tap(number))).toBe(
      generic(`t0: Can't use file descriptor ${number}: Device or resource busy`),
    );
    expect(await client.call('{"execute":"netdev_del","arguments":{"id":"s0"}}')).toBe(OK);
    closeSync(b);
    // The next of that number is nobody's who passed it.
    expect(String(file())).toBe(number);
    expect(await client.call(add(number))).toBe(generic(`File descriptor '${number}' is not a socket`));
    closeSync(Number(number));
    await until(() => openDescriptors() === before);
    expect(await client.call('{"execute":"query-name"}', file())).toBe(OK);
    expect(await client.call(named('getfd', 'f'))).toBe(OK);
    expect(await client.call(named('closefd', 'f'))).toBe(OK);
    expect(host.sockets.isPassed?.(Number(number))).toBe(false);
    client.close();
  });

  it('one that comes with another command waits for the next getfd, or for the end of its client', async () => {
    const client = await connected();
    const before = openDescriptors();
    const request = '{"execute":"query-name"}';
    expect(await client.call(request, file())).toBe('{"return": {}}');
    expect(openDescriptors()).toBe(before + 1);
    expect(await client.call(request, file())).toBe('{"return": {}}');
    expect(openDescriptors()).toBe(before + 1);
    expect(await client.call(named('getfd', 'late'))).toBe(OK);
    expect(await client.call(named('closefd', 'late'))).toBe(OK);
    expect(openDescriptors()).toBe(before);
    expect(await client.call(request, file())).toBe('{"return": {}}');
    client.close();
    await until(() => monitor.clients === 0);
    // Both ends of the connection are gone, too.
    expect(openDescriptors()).toBe(before - 2);
  });

  it('requests that are sent ahead, each with its descriptor, get their own, also when they wait for a turn', async () => {
    const client = await connected();
    const count = 30;
    let now = performance.now();
    let random = 1;
    // Some of the requests find their turn used up.
    const clock = vi.spyOn(performance, 'now').mockImplementation(() => {
      random = (random * 48271) % 0x7fffffff;
      now += random % 3 === 0 ? 3 : 0.1;
      return now;
    });
    try {
      for (let i = 0; i < count; i++) client.send(named('getfd', `n${i}`), file());
      for (let i = 0; i < count; i++) expect(await client.line()).toBe(OK);
    } finally {
      clock.mockRestore();
    }
    client.close();
  });

  it('works on lines of the human monitor', async () => {
    const client = await connected();
    const before = openDescriptors();
    const line = (text: string): string =>
      JSON.stringify({ execute: 'human-monitor-command', arguments: { 'command-line': text } });
    const said = (text: string): string => JSON.stringify({ return: text }).replace(':', ': ');
    expect(await client.call(line('getfd h'))).toBe(said('Error: No file descriptor supplied via SCM_RIGHTS\r\n'));
    expect(await client.call(line('closefd h'))).toBe(said("Error: File descriptor named 'h' not found\r\n"));
    expect(await client.call(line('getfd h'), file())).toBe(said(''));
    expect(openDescriptors()).toBe(before + 1);
    expect(await client.call(line('closefd h'))).toBe(said(''));
    expect(openDescriptors()).toBe(before);
    client.close();
  });

  it('all that nobody took is closed with the yard; names are capped', async () => {
    const client = await connected();
    const before = openDescriptors();
    for (let i = 0; i < 253; i++) expect(await client.call(named('getfd', `n${i}`), file())).toBe(OK);
    expect(openDescriptors()).toBe(before + 253);
    expect(await client.call(named('getfd', 'more'), file())).toBe(
      generic('Too many named file descriptors: at most 253'),
    );
    expect(await client.call(named('getfd', 'n0'), file())).toBe(OK);
    await yard.close();
    expect(openDescriptors()).toBe(before);
    client.close();
  });

  it('says what a descriptor of the wrong kind is, and closes it', async () => {
    const client = await connected();
    const before = openDescriptors();
    const add = (members: object) => JSON.stringify({ execute: 'netdev_add', arguments: { id: 'n0', ...members } });
    const fd = { type: 'fd', str: 'f' };
    const [stream, server] = [
      { type: 'stream', addr: fd },
      { type: 'stream', server: true, addr: fd },
    ];
    const socket = { type: 'socket', fd: 'f' };
    const cases: [object, number, string][] = [
      [stream, -1, "File descriptor 'f' is not a socket"],
      [server, -1, "File descriptor 'f' is not a socket"],
      [stream, SOCK_DGRAM, "File descriptor 'f' is not a stream socket"],
      [server, SOCK_DGRAM, 'Failed to listen on fd socket: Operation not supported'],
      [server, SOCK_STREAM, 'Failed to listen on fd socket: Invalid argument'],
      [socket, -1, "can't get socket option SO_TYPE"],
      [socket, SOCK_SEQPACKET, 'socket type=5 for fd=N must be either SOCK_DGRAM or SOCK_STREAM'],
    ];
    for (const [members, type, text] of cases) {
      const [passed, kept] = type < 0 ? [file(), undefined] : socketPair(type);
      expect(await client.call(named('getfd', 'f'), passed)).toBe(OK);
      expect((await client.call(add(members))).replace(/fd=\d+/, 'fd=N')).toBe(generic(text));
      if (kept !== undefined) closeSync(kept);
      await until(() => openDescriptors() === before);
    }
    for (const str of ['1x', '99999999999']) {
      const reply = await client.call(add({ type: 'dgram', local: { type: 'fd', str } }));
      expect(reply).toBe(generic(`Invalid file descriptor number '${str}'`));
    }
    client.close();
  });

  it('dgram takes a datagram socket, and refuses a file by what it is', async () => {
    const client = await connected();
    const [a, b] = socketPair(SOCK_DGRAM);
    const add = (str: string) =>
      JSON.stringify({ execute: 'netdev_add', arguments: { type: 'dgram', id: 'd0', local: { type: 'fd', str } } });
    expect(await client.call(named('getfd', 'f'), file())).toBe(OK);
    expect(await client.call(add('f'))).toBe(
      generic('Unable to query local socket address: Socket operation on non-socket'),
    );
    expect(await client.call(named('getfd', 'd'), a)).toBe(OK);
    expect(await client.call(add('d'))).toBe(OK);
    expect(await client.call('{"execute":"query-net-clients"}')).toMatch(/"info": "fd=\d+ unix"/);
    closeSync(b);
    client.close();
  });
});
