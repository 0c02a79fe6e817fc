import { once } from 'node:events';
import { existsSync, mkdtempSync, rmSync, statSync, writeFileSync } from 'node:fs';
import * as net from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { PassThrough } from 'node:stream';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { describeNative } from '../../tests/kit/native.ts';
import { until } from '../../tests/kit/until.ts';
import { type InetAddress, ProtectedAddresses } from '../net/index.ts';
import { createNodeHost, type NodeHost } from '../node/index.ts';
import { connect } from '../node/qmp.ts';
import type { JsonObject, JsonValue } from '../qapi/index.ts';
import type { QmpEvent, QmpTarget } from '../qmp/index.ts';
import { parseQmpDevice } from './chardev.ts';
import type { MonitorOptions, QmpMonitor } from './monitor.ts';
import { startQmpMonitor } from './qmp-monitor.ts';

class Target implements QmpTarget {
  readonly version = { qemu: { major: 9, minor: 1, micro: 0 }, package: 'netyard test' };
  readonly listeners = new Set<(event: QmpEvent) => void>();
  blocked: (() => void)[] = [];
  isKnown(name: string): boolean {
    return name === 'echo' || name === 'block';
  }
  allowsOob(): boolean {
    return false;
  }
  subscribe(listener: (event: QmpEvent) => void): () => void {
    this.listeners.add(listener);
    return () => this.listeners.delete(listener);
  }
  emit(data: JsonObject): void {
    for (const listener of [...this.listeners])
      listener({ event: 'E', data, timestamp: { seconds: 0, microseconds: 0 } });
  }
  async execute(name: string, args: JsonObject | undefined): Promise<JsonValue> {
    if (name === 'block') await new Promise<void>((resolve) => this.blocked.push(resolve));
    return args ?? {};
  }
}

let directory: string;
let path: string;
let target: Target;
const monitors: QmpMonitor[] = [];
/** With the addon: unix monitors listen through it. */
let host: NodeHost | undefined;

beforeEach(() => {
  directory = mkdtempSync(join(tmpdir(), 'netyard-monitor-'));
  path = join(directory, 'qmp');
  target = new Target();
});

afterEach(async () => {
  for (const monitor of monitors.splice(0)) await monitor.close();
  await host?.close();
  host = undefined;
  expect(target.listeners.size).toBe(0);
  rmSync(directory, { recursive: true, force: true });
});

async function start(device: string, options: MonitorOptions & { pretty?: boolean } = {}): Promise<QmpMonitor> {
  const spec = { device: parseQmpDevice(device), pretty: options.pretty === true };
  const monitor = await startQmpMonitor(spec, target, { sockets: host?.sockets, ...options });
  monitors.push(monitor);
  return monitor;
}

const listening = (options: MonitorOptions & { pretty?: boolean } = {}): Promise<QmpMonitor> =>
  start(`unix:${path},server=on,wait=off`, options);

/** Everything a raw client reads until the server closes. */
async function raw(send: string | Uint8Array, halfClose = true): Promise<string> {
  const socket = net.connect({ path, allowHalfOpen: true });
  let text = '';
  socket.setEncoding('latin1').on('data', (chunk: string) => {
    text += chunk;
  });
  socket.write(send);
  if (halfClose) socket.end();
  await once(socket, 'end');
  socket.destroy();
  return text;
}

describe('a listening monitor', listeningTests);

describeNative('a listening monitor on the addon', () => {
  beforeEach(() => {
    host = createNodeHost({ native: true });
  });
  listeningTests();
});

function listeningTests(): void {
  it('serves several clients at once, each with its own session', async () => {
    const monitor = await listening();
    expect(monitor.address).toBe(`unix:${path}`);
    expect(statSync(path).mode & 0o777).toBe(0o600);
    await using first = await connect(monitor.address);
    await using second = await connect(monitor.address);
    const blocked = first.call('block');
    expect(await second.call('echo', { a: 1 })).toEqual({ a: 1 });
    expect(monitor.clients).toBe(2);
    await until(() => target.blocked.length === 1);
    target.blocked[0]?.();
    expect(await blocked).toEqual({});
  });

  it('greets with CR LF and answers what came before a half-close', async () => {
    await listening();
    const text = await raw('{"execute":"qmp_capabilities"}{"execute":"echo","arguments":{"x":1.0},"id":7}');
    expect(text).toBe(
      '{"QMP": {"version": {"qemu": {"major": 9, "minor": 1, "micro": 0}, "package": "netyard test"}, "capabilities": ["oob"]}}\r\n' +
        '{"return": {}}\r\n{"return": {"x": 1}, "id": 7}\r\n',
    );
  });

  it('writes pretty replies where asked to', async () => {
    await listening({ pretty: true });
    expect(await raw('{"execute":"qmp_capabilities"}')).toMatch(/\{\r\n {4}"return": \{\r\n {4}\}\r\n\}\r\n$/);
  });

  it('is not disturbed by garbage', async () => {
    await listening();
    await using other = await connect({ path });
    const text = await raw(Uint8Array.from({ length: 5000 }, (_, i) => (i * 7919) & 0xff));
    expect(text).toContain('JSON parse error');
    expect(await other.call('echo')).toEqual({});
  });

  it('tells a client over the cap, and closes it', async () => {
    const monitor = await listening({ maxClients: 2 });
    const first = await connect({ path });
    await using second = await connect({ path });
    expect(await raw('', false)).toBe(
      '{"error": {"class": "GenericError", "desc": "Too many clients: 2 are connected to this monitor"}}\r\n',
    );
    expect(monitor.counters.refused).toBe(1);
    await first.close();
    await until(() => monitor.clients === 1);
    await using third = await connect({ path });
    expect(await third.call('echo')).toEqual(await second.call('echo'));
  });

  it('disconnects a client that does not read events, others stay', async () => {
    const monitor = await listening();
    const slow = net.connect({ path });
    slow.write('{"execute":"qmp_capabilities"}');
    await using reader = await connect({ path });
    await until(() => target.listeners.size === 2);
    const events = reader.events('*');
    const data = { text: 'x'.repeat(500_000) };
    for (let i = 0; i < 60; i++) {
      target.emit(data);
      await events.next();
    }
    await until(() => monitor.counters.overflowed === 1);
    expect(target.listeners.size).toBe(1);
    expect(await reader.call('echo')).toEqual({});
    slow.destroy();
  });

  it('holds up the start with wait=on until the first client', async () => {
    const waiting: string[] = [];
    const starting = start(`unix:${path},server=on`, { onWaiting: (address) => waiting.push(address) });
    await until(() => waiting.length === 1);
    expect(waiting).toEqual([`unix:${path}`]);
    const client = await connect({ path });
    const monitor = await starting;
    expect(monitor.clients).toBe(1);
    await client.close();
  });

  it('gives up waiting by signal and leaves no path', async () => {
    const controller = new AbortController();
    const starting = start(`unix:${path},server=on`, { signal: controller.signal });
    await until(() => existsSync(path));
    controller.abort(new RangeError('enough'));
    await expect(starting).rejects.toThrow('enough');
    expect(existsSync(path)).toBe(false);
  });

  it('answers the running command when it closes, then frees the path', async () => {
    const monitor = await listening();
    const client = await connect({ path });
    const answer = client.call('block');
    await until(() => target.blocked.length === 1);
    const closing = monitor.close();
    target.blocked[0]?.();
    expect(await answer).toEqual({});
    await closing;
    await monitor.close();
    expect(existsSync(path)).toBe(false);
    await expect(client.closed).resolves.toMatchObject({ code: 'NY_QMP_DISCONNECTED' });
  });

  it('replaces a dead socket, and neither a live one nor a file', async () => {
    const dead = net.createServer().listen(path);
    await once(dead, 'listening');
    // A copy of the name outlives the server, as after kill -9.
    const { linkSync } = await import('node:fs');
    linkSync(path, `${path}2`);
    dead.close();
    path = `${path}2`;
    await listening();
    await expect(listening()).rejects.toThrow(`Failed to bind socket to ${path}: Address already in use`);
    const file = join(directory, 'file');
    writeFileSync(file, 'precious');
    await expect(start(`unix:${file},server=on,wait=off`)).rejects.toThrow('Address already in use');
    expect(statSync(file).size).toBe(8);
  });

  it('a browser that posts commands to a TCP monitor is cut off before the first', async () => {
    const monitor = await start('tcp:127.0.0.1:0,server=on,wait=off');
    const ran: string[] = [];
    target.execute = async (name) => {
      ran.push(name);
      return {};
    };
    const socket = net.connect({ host: '127.0.0.1', port: Number(monitor.address.split(':')[2]) });
    let text = '';
    socket
      .on('error', () => {})
      .on('data', (chunk: Buffer) => {
        text += chunk.toString();
      });
    socket.write('POST / HTTP/1.1\r\nHost: x\r\n\r\n{"execute":"qmp_capabilities"}\n{"execute":"echo"}\n');
    await once(socket, 'close');
    expect(ran).toEqual([]);
    expect(text).not.toContain('"return"');
  });

  it('listens on TCP and says which port', async () => {
    const monitor = await start('tcp:127.0.0.1:0,server=on,wait=off');
    expect(monitor.address).toMatch(/^tcp:127\.0\.0\.1:\d+$/);
    await using client = await connect(monitor.address);
    expect(await client.call('echo')).toEqual({});
    const device = `${monitor.address},server=on,wait=off`;
    await expect(start(device)).rejects.toThrow('Failed to find an available port: Address already in use');
  });

  it.each([
    ['tcp:127.0.0.1:0', '127.0.0.1'],
    ['tcp::0', '127.0.0.1'],
  ])('%s is protected from guests while it listens', async (device, host) => {
    const protectedAddresses = new ProtectedAddresses();
    const spec = { device: parseQmpDevice(`${device},server=on,wait=off`), pretty: false };
    const monitor = await startQmpMonitor(spec, target, { protectedAddresses });
    const port = Number(monitor.address.split(':').at(-1));
    const at = (host: string, port: number): InetAddress => ({ family: 'ipv4', host, port });
    expect(protectedAddresses.includes(at(host, port), () => true)).toBe(true);
    expect(protectedAddresses.includes(at(host, port ^ 1), () => true)).toBe(false);
    await monitor.close();
    expect(protectedAddresses.includes(at(host, port), () => true)).toBe(false);
  });

  it.each([
    ['unix:/nonexistent/x,server=on,wait=off', 'Failed to bind socket to /nonexistent/x: No such file or directory'],
    ['unix:/nonexistent/x', "Failed to connect to '/nonexistent/x': No such file or directory"],
    ['tcp:127.0.0.1:1', "Failed to connect to '127.0.0.1:1': Connection refused"],
    ['tcp::x', 'address resolution failed for :x: Servname not supported for ai_socktype'],
    ['tcp:127.0.0.1:x,server=on', 'address resolution failed for 127.0.0.1:x: Servname not supported for ai_socktype'],
    [`unix:/tmp/${'a'.repeat(120)},server=on`, `UNIX socket path '/tmp/${'a'.repeat(120)}' is too long`],
    [`unix:/tmp/${'a'.repeat(120)}`, `UNIX socket path '/tmp/${'a'.repeat(120)}' is too long`],
  ])('%s fails in QEMU words', async (device, message) => {
    await expect(start(device)).rejects.toMatchObject({ name: 'QapiError', message });
  });

  it('keeps what a client has not read yet, whole and in order', async () => {
    await listening();
    const socket = net.connect({ path }).pause();
    const text = 'y'.repeat(300_000);
    const request = JSON.stringify({ execute: 'echo', arguments: { text } });
    socket.write('{"execute":"qmp_capabilities"}');
    let answers = 0;
    target.execute = async (_, args) => {
      answers++;
      return args ?? {};
    };
    for (let i = 0; i < 5; i++) socket.write(request);
    socket.end();
    await until(() => answers > 0);
    for (let i = 0; i < 20; i++) await new Promise((resolve) => setImmediate(resolve));
    let all = '';
    socket.setEncoding('latin1').on('data', (chunk: string) => {
      all += chunk;
    });
    socket.resume();
    await once(socket, 'end');
    const lines = all.split('\r\n');
    expect(lines.length).toBe(8);
    expect(lines.slice(2, 7).every((line) => line === `{"return": {"text": "${text}"}}`)).toBe(true);
  });

  it('serves 64 clients, turns further ones away, and frees every place', async () => {
    const monitor = await listening();
    const clients = await Promise.all(Array.from({ length: 64 }, () => connect({ path })));
    const refused = await Promise.all(Array.from({ length: 8 }, () => raw('', false)));
    expect(refused.every((text) => text.includes('Too many clients: 64 are connected'))).toBe(true);
    const answers = await Promise.all(clients.map((client, number) => client.call('echo', { number })));
    expect(answers).toEqual(clients.map((_, number) => ({ number })));
    await Promise.all(clients.map((client) => client.close()));
    await until(() => monitor.clients === 0);
    await using again = await connect({ path });
    expect(await again.call('echo', {})).toEqual({});
  });

  it('outlives clients that are gone before their answers', async () => {
    const monitor = await listening();
    for (let i = 0; i < 20; i++) {
      const socket = net.connect({ path });
      await once(socket, 'connect');
      socket.write('{"execute":"qmp_capabilities"}{"execute":"echo"}{"exec');
      socket.destroy();
    }
    await until(() => monitor.counters.sessions === 20 && monitor.clients === 0);
    await using client = await connect({ path });
    expect(await client.call('echo')).toEqual({});
  });
}

describe('wait=on', () => {
  it('greets its first client when all is there, and not before', async () => {
    let begin = (): void => {};
    const ready = new Promise<void>((resolve) => {
      begin = resolve;
    });
    let waiting = '';
    const starting = start(`unix:${path},server=on`, { ready, onWaiting: (address) => (waiting = address) });
    await until(() => waiting === `unix:${path}`);
    const socket = net.connect({ path });
    let text = '';
    socket.setEncoding('latin1').on('data', (chunk: string) => {
      text += chunk;
    });
    socket.write('{"execute":"qmp_capabilities"}');
    await starting;
    for (let i = 0; i < 20; i++) await new Promise((resolve) => setImmediate(resolve));
    expect(text).toBe('');
    begin();
    await until(() => text.includes('"return"'));
    expect(text).toContain('"QMP"');
    socket.destroy();
  });

  it('a start that fails lets the client go', async () => {
    const starting = start(`unix:${path},server=on`, { ready: new Promise<void>(() => {}) });
    await until(() => existsSync(path));
    const socket = net.connect({ path, allowHalfOpen: false });
    const monitor = await starting;
    const gone = once(socket, 'close');
    await monitor.close();
    socket.resume();
    await gone;
    expect(monitor.clients).toBe(0);
  });
});

describe('a connecting monitor', () => {
  it('serves whoever it connected to, and again after a loss with reconnect', async () => {
    const peers: net.Socket[] = [];
    const server = net.createServer((socket) => peers.push(socket)).listen(path);
    await once(server, 'listening');
    const monitor = await start(`unix:${path},reconnect-ms=1`);
    await until(() => peers.length === 1);
    const [greeting] = (await once(peers[0]!, 'data')) as [Buffer];
    expect(greeting.toString()).toContain('"QMP"');
    peers[0]!.destroy();
    await until(() => peers.length === 2);
    expect(monitor.counters.sessions).toBe(2);
    await monitor.close();
    server.close();
    for (const peer of peers) peer.destroy();
  });
});

describe('stdio', () => {
  it('serves one session and leaves the streams open at its end', async () => {
    const input = new PassThrough();
    const output = new PassThrough();
    const monitor = await start('stdio', { stdio: { input, output } });
    expect(monitor).toMatchObject({ address: 'stdio', usesStdio: true, clients: 1 });
    await expect(start('stdio', { stdio: { input, output } })).rejects.toThrow(
      'cannot use stdio by multiple character devices',
    );
    input.write('{"execute":"qmp_capabilities"}{"execute":"echo"}');
    input.end();
    let text = '';
    output.setEncoding('latin1').on('data', (chunk: string) => {
      text += chunk;
    });
    await until(() => text.split('\r\n').length === 4);
    await until(() => monitor.clients === 0);
    expect(output.writable).toBe(true);
  });
});
