import { once } from 'node:events';
import { mkdtempSync, rmSync } from 'node:fs';
import * as net from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { QmpServerSession, SessionTurns } from '../qmp/index.ts';
import { connect } from './qmp.ts';
import { socketAddress } from './qmp-connect.ts';

describe('socketAddress', () => {
  it.each([
    ['unix:/run/x', { path: '/run/x' }],
    ['/run/x', { path: '/run/x' }],
    ['relative.sock', { path: 'relative.sock' }],
    ['tcp:127.0.0.1:4444', { host: '127.0.0.1', port: 4444 }],
    ['tcp::4444', { host: 'localhost', port: 4444 }],
    ['tcp:[::1]:4444', { host: '::1', port: 4444 }],
    [{ path: '/x' }, { path: '/x' }],
    [
      { host: 'h', port: 1 },
      { host: 'h', port: 1 },
    ],
  ])('reads %j', (address, expected) => {
    expect(socketAddress(address)).toEqual(expected);
  });

  it.each(['tcp:host', 'tcp:host:', 'tcp:host:0', 'tcp:host:65536', 'tcp:::1:44', { host: 'h', port: 1.5 }])(
    'refuses %j',
    (address) => {
      expect(() => socketAddress(address)).toThrow(expect.objectContaining({ code: 'NY_QMP_USAGE' }));
    },
  );
});

describe('connect', () => {
  let directory: string;
  let path: string;
  const accepted: net.Socket[] = [];
  let server: net.Server | undefined;

  beforeEach(() => {
    directory = mkdtempSync(join(tmpdir(), 'netyard-connect-'));
    path = join(directory, 's');
  });

  afterEach(() => {
    for (const socket of accepted.splice(0)) socket.destroy();
    server?.close();
    server = undefined;
    rmSync(directory, { recursive: true, force: true });
  });

  async function serve(onSocket: (socket: net.Socket) => void): Promise<void> {
    server = net.createServer((socket) => {
      accepted.push(socket);
      socket.on('error', () => {});
      onSocket(socket);
    });
    server.listen(path);
    await once(server, 'listening');
  }

  /** A server session that answers `echo`. */
  function echoSession(socket: net.Socket): void {
    const target = {
      version: { qemu: { major: 9, minor: 1, micro: 0 }, package: '' },
      isKnown: () => true,
      allowsOob: () => false,
      subscribe: () => () => {},
      execute: async (_: string, args: unknown) => (args ?? {}) as never,
    };
    const session = new QmpServerSession(target, {
      send: (text) => void socket.write(text),
      close: () => void socket.end(),
      abort: () => void socket.destroy(),
      turns: new SessionTurns(
        () => performance.now(),
        (task) => void setImmediate(task),
      ),
      pauseInput: () => void socket.pause(),
      resumeInput: () => void socket.resume(),
      queuedBytes: 0,
    });
    socket.on('data', (bytes) => session.receive(bytes));
    session.start();
  }

  it('carries large values both ways', async () => {
    await serve(echoSession);
    await using session = await connect(path, { timeoutMs: 10_000 });
    const text = 'é\n'.repeat(120_000);
    expect(await session.call('echo', { text })).toEqual({ text });
  });

  it('says why nobody is reached', async () => {
    await expect(connect(`unix:${path}`)).rejects.toMatchObject({
      code: 'NY_QMP_DISCONNECTED',
      message: `Failed to connect to '${path}': No such file or directory`,
      cause: { name: 'HostError', code: 'ENOENT' },
    });
    await expect(connect('tcp:127.0.0.1:1')).rejects.toMatchObject({
      message: "Failed to connect to '127.0.0.1:1': Connection refused",
    });
    await expect(connect('tcp:nowhere')).rejects.toMatchObject({ code: 'NY_QMP_USAGE' });
  });

  it('gives up by time and by signal, and leaves no socket open', async () => {
    await serve(() => {});
    await expect(connect(path, { timeoutMs: 10 })).rejects.toMatchObject({ code: 'NY_QMP_TIMEOUT' });
    const controller = new AbortController();
    const opening = connect(path, { signal: controller.signal });
    controller.abort(new RangeError('enough'));
    await expect(opening).rejects.toThrow('enough');
    await expect(connect(path, { signal: AbortSignal.abort(new RangeError('never')) })).rejects.toThrow('never');
    for (const socket of accepted) {
      socket.resume();
      if (!socket.destroyed) await once(socket, 'close');
    }
  });

  it('reports a peer that hangs up', async () => {
    await serve((socket) => socket.end());
    await expect(connect(path)).rejects.toMatchObject({ code: 'NY_QMP_DISCONNECTED' });
  });

  it('closes within bounded time although the peer reads nothing', async () => {
    await serve((socket) => {
      echoSession(socket);
      socket.once('data', () => setImmediate(() => socket.pause()));
    });
    const session = await connect(path);
    const call = session.call('echo', { text: 'x'.repeat(4_000_000) });
    const failed = expect(call).rejects.toMatchObject({ code: 'NY_QMP_CLOSED' });
    await session.close();
    await failed;
  });
});
