/**
 * Descriptors, unix datagrams and abstract names against QEMU: frames of many lengths both ways, compared byte by byte.
 * In QEMU the netdev under test hangs on a hub with a UDP netdev, through which the test sends and receives.
 */
import { existsSync, mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, expect, it } from 'vitest';
import type { NetClient } from '../../src/net/index.ts';
import { createDgram, createListener, createSocket, createStream } from '../../src/netdevs/index.ts';
import { createNodeHost, type NodeHost } from '../../src/node/index.ts';
import { connect } from '../../src/node/qmp.ts';
import { PROGRAM } from '../kit/guest/daemon.ts';
import { describeNative } from '../kit/native.ts';
import { addon, openDescriptors, socketPair } from '../kit/native-host.ts';
import { createRecordingContext, give, type RecordingContext, testFrame } from '../kit/netdev-context.ts';
import { describePeer } from '../kit/peers.ts';
import { QEMU, QemuHub, stop } from '../kit/qemu-hub.ts';
import { until } from '../kit/until.ts';

const PYTHON = 'python3';
const SOCK_STREAM = 1;
const SOCK_DGRAM = 2;

let host: NodeHost;
let context: RecordingContext;
let directory: string;
let hub: QemuHub;
let clients: NetClient[];

beforeEach(async () => {
  host = createNodeHost({ native: true });
  context = createRecordingContext(host);
  directory = mkdtempSync(join(tmpdir(), 'ny-fd-'));
  hub = await QemuHub.open();
  clients = [];
});

afterEach(async () => {
  for (const client of clients) await client.close();
  await hub.close();
  await host.close();
  rmSync(directory, { recursive: true });
});

const opened = async (client: Promise<NetClient>): Promise<NetClient> => {
  clients.push(await client);
  return client;
};
const fdText = (descriptor: number) => ({ type: 'fd', str: String(descriptor) }) as const;
const unix = (name: string) => ({ type: 'unix', path: join(directory, name) }) as const;
const end = (name: string, path: string): string => `${name}.type=unix,${name}.path=${path}`;

/** A unix listening socket made with system calls, which nothing here watches. */
function rawListener(path: string): number {
  const { calls } = addon();
  const fd = calls.socket(1, SOCK_STREAM, 0);
  const address = new Uint8Array(110);
  new DataView(address.buffer).setUint16(0, 1, true);
  address.set(new TextEncoder().encode(path), 2);
  expect(calls.bind(fd, address, 0, 2 + path.length + 1)).toBe(0);
  expect(calls.listen(fd, 4)).toBe(0);
  return fd;
}

/**
 * Passes one end of a socket pair to netyard with getfd, the other to a QEMU that it starts; then waits for its input's
 * end; QEMU does not outlive it. Arguments: the monitor, netdev_add's arguments as JSON (the name is `wire`), the pair's type, QEMU's arguments.
 */
const PASSER = `
import array, ctypes, json, socket, subprocess, sys, time
monitor, netdev, kind, qemu = sys.argv[1], json.loads(sys.argv[2]), int(sys.argv[3]), sys.argv[4:]
ours, theirs = socket.socketpair(socket.AF_UNIX, kind)
qmp = socket.socket(socket.AF_UNIX)
for _ in range(500):
    try:
        qmp.connect(monitor)
        break
    except OSError:
        time.sleep(0.02)
lines = qmp.makefile('rb')
lines.readline()
def call(name, arguments={}, descriptors=()):
    rights = [(socket.SOL_SOCKET, socket.SCM_RIGHTS, array.array('i', descriptors))] if descriptors else []
    qmp.sendmsg([json.dumps({'execute': name, 'arguments': arguments}).encode()], rights)
    while True:
        reply = json.loads(lines.readline())
        if 'error' in reply: sys.exit(str(reply))
        if 'return' in reply: return reply['return']
call('qmp_capabilities')
call('getfd', {'fdname': 'wire'}, [ours.fileno()])
ours.close()
call('netdev_add', netdev)
child = subprocess.Popen([word.replace('FD', str(theirs.fileno())) for word in qemu], pass_fds=[theirs.fileno()],
    preexec_fn=lambda: ctypes.CDLL(None).prctl(1, 9))
theirs.close()
print('ready', flush=True)
sys.stdin.read()
child.kill()
child.wait()
`;

describePeer('passed descriptors, unix datagrams and abstract names with QEMU', [QEMU, PYTHON], () => {
  describeNative('on the addon', () => {
    it('stream fd: a socket pair with QEMU at its other end, until QEMU ends', async () => {
      const before = openDescriptors();
      const [a, b] = socketPair(SOCK_STREAM);
      const client = await opened(createStream({ addr: fdText(a) }, context));
      expect([client.info(), context.port.linkUp]).toEqual(['unix:', true]);
      const { qemu, port } = await hub.startQemu('stream,id=n,addr.type=fd,addr.str=3', b);
      await hub.exchange(client, port, context.port.frames);
      await stop(qemu);
      await until(() => !context.port.linkUp);
      expect(context.events.map((event) => event.split(' ')[0])).toEqual([
        'NETDEV_STREAM_CONNECTED',
        'NETDEV_STREAM_DISCONNECTED',
      ]);
      await client.close();
      await until(() => openDescriptors() <= before);
    });

    it('stream fd with server=on: QEMU clients, one after the other, at a listening socket', async () => {
      const path = join(directory, 'listening');
      const client = await opened(createStream({ addr: fdText(rawListener(path)), server: true }, context));
      expect(client.info()).toBe('listening');
      for (let round = 0; round < 2; round++) {
        const { qemu, port } = await hub.startQemu(`stream,id=n,server=off,${end('addr', path)}`);
        await until(() => context.port.linkUp);
        await hub.exchange(client, port, context.port.frames);
        await stop(qemu);
        await until(() => !context.port.linkUp);
      }
      await client.close();
      expect(existsSync(path)).toBe(true);
    });

    it('socket fd: a stream and a datagram pair', async () => {
      const [a, b] = socketPair(SOCK_STREAM);
      const stream = await opened(createSocket({ fd: String(a) }, context));
      expect(stream.info()).toBe(`socket: fd=${a}`);
      const first = await hub.startQemu('socket,id=n,fd=3', b);
      await hub.exchange(stream, first.port, context.port.frames);
      await stop(first.qemu);
      await until(() => !context.port.linkUp);

      const other = createRecordingContext(host);
      const [c, d] = socketPair(SOCK_DGRAM);
      const datagrams = await opened(createSocket({ fd: String(c) }, other));
      expect(datagrams.info()).toBe(`socket: fd=${c} unix`);
      const second = await hub.startQemu('socket,id=n,fd=3', d);
      await hub.exchange(datagrams, second.port, other.port.frames);
    });

    it('dgram fd: a datagram pair', async () => {
      const [a, b] = socketPair(SOCK_DGRAM);
      const client = await opened(createDgram({ local: fdText(a) }, context));
      const { port } = await hub.startQemu('dgram,id=n,local.type=fd,local.str=3', b);
      await hub.exchange(client, port, context.port.frames);
    });

    it('dgram between unix sockets: QEMU is killed, and is there again at its stale path', async () => {
      const [ours, theirs] = [unix('ours'), unix('theirs')];
      const client = await opened(createDgram({ local: ours, remote: theirs }, context));
      expect(give(client, testFrame(60))).toBe(true);
      const netdev = `dgram,id=n,${end('local', theirs.path)},${end('remote', ours.path)}`;
      for (let round = 0; round < 2; round++) {
        const { qemu, port } = await hub.startQemu(netdev);
        await hub.exchange(client, port, context.port.frames);
        await stop(qemu);
        // Its path is still there, and nobody behind it.
        expect(existsSync(theirs.path)).toBe(true);
        const errors = host.counters.sendErrors;
        for (let i = 0; i < 3; i++) expect(give(client, testFrame(60, i))).toBe(true);
        await until(() => host.counters.sendErrors > errors);
      }
      await client.close();
      expect(existsSync(ours.path)).toBe(false);
    });

    it('dgram between unix sockets: our own stale path is taken again', async () => {
      const [ours, theirs] = [unix('ours'), unix('theirs')];
      const program = hub.start(
        process.execPath,
        [PROGRAM, '-nodefaults', '-netdev', `dgram,id=d,${end('local', ours.path)},${end('remote', theirs.path)}`],
        [],
      );
      await until(() => existsSync(ours.path));
      await stop(program);
      expect(existsSync(ours.path)).toBe(true);
      const client = await opened(createDgram({ local: ours, remote: theirs }, context));
      const { port } = await hub.startQemu(`dgram,id=n,${end('local', theirs.path)},${end('remote', ours.path)}`);
      await hub.exchange(client, port, context.port.frames);
      // Neither of two live paths is taken over.
      for (const { path } of [ours, theirs]) {
        const local = { type: 'unix', path } as const;
        await expect(createDgram({ local, remote: theirs }, context)).rejects.toThrow(
          `can't bind unix=${path} to socket: Address already in use`,
        );
      }
    });

    it('abstract names: QEMU at ours, and we at its, with tight on and off', async () => {
      for (const tight of [true, false]) {
        const path = `ny-fd-${process.pid}-${tight}`;
        const addr = { type: 'unix', path, abstract: true, tight } as const;
        const text = `addr.type=unix,addr.path=${path},addr.abstract=on,addr.tight=${tight ? 'on' : 'off'}`;
        const server = createRecordingContext(host, 'server');
        const listening = await opened(createStream({ addr, server: true }, server));
        const first = await hub.startQemu(`stream,id=n,server=off,${text}`);
        await until(() => server.port.linkUp);
        await hub.exchange(listening, first.port, server.port.frames, [60, 1514]);
        await stop(first.qemu);
        await listening.close();

        const client = createRecordingContext(host, 'client');
        const connecting = await opened(createStream({ addr, 'reconnect-ms': 50 }, client));
        const second = await hub.startQemu(`stream,id=n,server=on,${text}`);
        await until(() => client.port.linkUp);
        await hub.exchange(connecting, second.port, client.port.frames, [60, 1514]);
        await stop(second.qemu);
        await connecting.close();
      }
    });

    it('listener at an abstract name: two QEMU at once', async () => {
      const path = `ny-fd-${process.pid}-listener`;
      await opened(createListener({ addr: { type: 'unix', path, abstract: true } }, context));
      const netdev = `stream,id=n,server=off,addr.type=unix,addr.path=${path},addr.abstract=on`;
      for (let i = 0; i < 2; i++) {
        const { port } = await hub.startQemu(netdev);
        await until(() => context.children.size === i + 1);
        const child = [...context.children.values()].at(-1);
        if (child !== undefined) await hub.exchange(child.client, port, child.port.frames, [60, 1514]);
      }
    });

    it('the program: numbers inherited from its parent, to QEMU on one side and to the test on the other', async () => {
      const [ours, toProgram] = socketPair(SOCK_DGRAM);
      const [toQemu, theirs] = socketPair(SOCK_STREAM);
      const client = await opened(createDgram({ local: fdText(ours) }, context));
      const hubPort = (name: string): string[] => ['-netdev', `hubport,id=h${name},hubid=0,netdev=${name}`];
      const args = ['-netdev', 'dgram,id=d,local.type=fd,local.str=3'];
      args.push('-netdev', 'stream,id=s,addr.type=fd,addr.str=4', ...hubPort('d'), ...hubPort('s'));
      hub.start(process.execPath, [PROGRAM, '-nodefaults', ...args], [toProgram, toQemu]);
      const { port } = await hub.startQemu('stream,id=n,addr.type=fd,addr.str=3', theirs);
      await hub.exchange(client, port, context.port.frames);
    });

    it.each([
      [
        'stream',
        SOCK_STREAM,
        { type: 'stream', id: 's', addr: { type: 'fd', str: 'wire' } },
        'addr.type=fd,addr.str=FD',
      ],
      [
        'dgram',
        SOCK_DGRAM,
        { type: 'dgram', id: 's', local: { type: 'fd', str: 'wire' } },
        'local.type=fd,local.str=FD',
      ],
      ['socket', SOCK_STREAM, { type: 'socket', id: 's', fd: 'wire' }, 'fd=FD'],
    ])('the program: %s with a name that getfd gave', async (type, kind, netdev, text) => {
      const [ours, toProgram] = socketPair(SOCK_DGRAM);
      const client = await opened(createDgram({ local: fdText(ours) }, context));
      const monitor = join(directory, 'qmp');
      const args = ['-nodefaults', '-qmp', `unix:${monitor},server=on,wait=off`];
      args.push('-netdev', 'dgram,id=d,local.type=fd,local.str=3', '-netdev', 'hubport,id=hd,hubid=0,netdev=d');
      hub.start(process.execPath, [PROGRAM, ...args], [toProgram]);
      const { args: qemu, port } = await hub.command(`${type},id=n,${text}`);
      const passer = hub.start(
        PYTHON,
        ['-c', PASSER, monitor, JSON.stringify(netdev), String(kind), QEMU, ...qemu],
        [],
      );
      let printed = '';
      passer.stdout?.setEncoding('utf8').on('data', (more: string) => {
        printed += more;
      });
      await until(() => printed === 'ready\n');
      await addHubPort(monitor);
      await hub.exchange(client, port, context.port.frames);
      const ended = new Promise((resolve) => passer.once('exit', resolve));
      passer.stdin?.end();
      await ended;
    });
  });
});

async function addHubPort(monitor: string): Promise<void> {
  await using qmp = await connect({ path: monitor });
  await qmp.call('netdev_add', { type: 'hubport', id: 'hs', hubid: 0, netdev: 's' });
}
