/** vde against vde_switch, with vde_plug as the third party, and against switches that misbehave. */
import { type ChildProcess, spawn } from 'node:child_process';
import { existsSync, mkdirSync, mkdtempSync, readdirSync, rmSync, statSync } from 'node:fs';
import { connect, createServer, type Server, type Socket } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, afterEach, beforeEach, describe, expect, it } from 'vitest';
import type { NetClient } from '../../src/net/client.ts';
import type { DatagramSocket } from '../../src/net/host.ts';
import { createVde } from '../../src/netdevs/index.ts';
import { createNodeHost, type NodeHost } from '../../src/node/index.ts';
import { loadNative } from '../../src/node/native/load.ts';
import type { NetdevVdeOptions } from '../../src/schema/net.ts';
import { VERSION } from '../../src/version.ts';
import { startDaemon } from '../kit/guest/daemon.ts';
import { createRecordingContext, digests, give, type RecordingContext, testFrame } from '../kit/netdev-context.ts';
import { describePeer, requirePeer } from '../kit/peers.ts';
import { until } from '../kit/until.ts';

const children = new Set<ChildProcess>();

function run(program: string, ...args: string[]): ChildProcess {
  const child = spawn(requirePeer(program), args, { stdio: ['pipe', 'pipe', 'ignore'] });
  children.add(child);
  child.once('exit', () => children.delete(child));
  return child;
}

async function end(child: ChildProcess, signal: NodeJS.Signals = 'SIGKILL'): Promise<void> {
  if (child.exitCode !== null || child.signalCode !== null) return;
  const exited = new Promise((resolve) => child.once('exit', resolve));
  child.kill(signal);
  await exited;
}

/** vde_plug: two bytes of length and a frame, both ways. */
class Plug {
  readonly child: ChildProcess;
  readonly frames: Uint8Array[] = [];
  #rest = Buffer.alloc(0);

  constructor(directory: string, ...args: string[]) {
    this.child = run('vde_plug', ...args, directory);
    this.child.stdout?.on('data', (bytes: Buffer) => {
      this.#rest = Buffer.concat([this.#rest, bytes]);
      while (this.#rest.length >= 2) {
        const end = 2 + this.#rest.readUInt16BE(0);
        if (this.#rest.length < end) break;
        this.frames.push(new Uint8Array(this.#rest.subarray(2, end)));
        this.#rest = this.#rest.subarray(end);
      }
    });
    this.child.stdin?.on('error', () => undefined);
  }

  send(frame: Uint8Array): void {
    this.child.stdin?.write(Buffer.concat([Buffer.of(frame.length >> 8, frame.length & 255), frame]));
  }
}

const broadcast = (length: number, seed: number): Uint8Array => {
  const frame = testFrame(length, seed);
  frame.fill(0xff, 0, 6);
  // From a unicast address, and no VLAN tag by chance.
  frame.set([2, 0, 0, 0, 0, seed & 255, 0x88, 0xb5], 6);
  return frame;
};

let host: NodeHost;
let root: string;
let directory: string;
let context: RecordingContext;
let clients: NetClient[];

async function open(options: NetdevVdeOptions = {}, id = 'n0'): Promise<[NetClient, RecordingContext]> {
  const own = id === 'n0' ? context : createRecordingContext(host, id);
  const client = await createVde({ sock: directory, ...options }, own);
  clients.push(client);
  return [client, own];
}

async function startSwitch(): Promise<ChildProcess> {
  const child = run('vde_switch', '-sock', directory, '-M', join(root, 'mgmt'), '-nostdin');
  await until(() => existsSync(join(root, 'mgmt')) && existsSync(join(directory, 'ctl')));
  await until(() => console_('port/print').then((text) => text.includes('Success')));
  return child;
}

/** One command on the switch's console, and what it says. */
function console_(command: string): Promise<string> {
  return new Promise((resolve) => {
    let text = '';
    let isSent = false;
    const socket: Socket = connect(join(root, 'mgmt'));
    socket.setEncoding('utf8').on('data', (part: string) => {
      text += part;
      if (!isSent && text.includes('vde$ ')) {
        isSent = true;
        text = '';
        socket.write(`${command}\n`);
      } else if (isSent && /^1[0-9]{3} /m.test(text)) {
        socket.destroy();
      }
    });
    socket.on('close', () => resolve(text));
    socket.on('error', () => resolve(text));
  });
}

const carrier = (own: RecordingContext): boolean => own.port.linkUp;
const logs: string[] = [];

beforeEach(() => {
  logs.length = 0;
  const log = (_level: string) => (message: string) => void logs.push(message);
  host = createNodeHost({
    native: true,
    log: { debug: log('debug'), info: log('info'), warn: log('warn'), error: log('error') },
  });
  root = mkdtempSync(join(tmpdir(), 'ny-vde-'));
  directory = join(root, 'sw');
  context = createRecordingContext(host);
  clients = [];
});

afterEach(async () => {
  for (const child of [...children]) await end(child);
  for (const client of clients) await client.close();
  expect(host.openSockets).toBe(0);
  await host.close();
  rmSync(root, { recursive: true, force: true });
});

afterAll(() => {
  for (const child of children) child.kill('SIGKILL');
});

const hasAddon = 'binding' in loadNative();

describePeer(
  'vde',
  hasAddon || process.env['NETYARD_PEERS'] === 'required' ? ['vde_switch', 'vde_plug'] : ['the addon'],
  () => {
    describe('with vde_switch', () => {
      it('frames of all lengths pass both ways; longer ones are dropped, not cut', async () => {
        await startSwitch();
        const [client] = await open();
        const plug = new Plug(directory);
        const port = await console_('port/allprint');
        expect(port).toContain(`netyard n0 user=`);
        await until(() =>
          console_('port/allprint').then((text) => /vde_plug|VDE/i.test(text) && text.split('-- endpoint').length > 2),
        );
        const lengths = [14, 59, 60, 64, 590, 1514, 1518];
        const sent = lengths.map((n, i) => broadcast(n, i));
        for (const frame of sent) expect(give(client, frame)).toBe(true);
        expect(give(client, broadcast(1519, 9))).toBe(true);
        await until(() => plug.frames.length === sent.length);
        expect(digests(plug.frames)).toEqual(digests(sent));
        expect(context.port.counters.dropped).toEqual({ 'too-long': 1 });
        for (const frame of sent) plug.send(frame);
        await until(() => context.port.frames.length === sent.length);
        expect(digests(context.port.frames)).toEqual(digests(sent));
      });

      it('two netdevs and the chosen port', async () => {
        await startSwitch();
        const [a, ofA] = await open({ port: 7 }, 'a');
        const [b, ofB] = await open({ sock: `vde://${directory}[9]` }, 'b');
        const ports = await console_('port/allprint');
        expect(ports).toMatch(/Port 0007[\s\S]*netyard a [\s\S]*Port 0009[\s\S]*netyard b /);
        expect(a.info()).toMatch(new RegExp(`^sock=${directory},fd=[0-9]+$`));
        for (let i = 0; i < 100; i++) give(a, broadcast(100, i));
        await until(() => ofB.port.frames.length === 100);
        give(b, broadcast(60, 1));
        await until(() => ofA.port.frames.length === 1);
        // The same port for the same user: both get what the port gets.
        const [, ofC] = await open({ port: 7 }, 'c');
        give(b, broadcast(60, 2));
        await until(() => ofA.port.frames.length === 2 && ofC.port.frames.length === 1);
      });

      // vde_switch 2.3.2 on a busy machine: at times it closes a connection and forgets the port's socket.
      it('leaves nothing in the directory of the switch, not even while it runs', { retry: 2 }, async () => {
        await startSwitch();
        const [client] = await open();
        const ours = () => readdirSync(directory).filter((name) => name.startsWith('.'));
        expect(ours()).toEqual([]);
        expect(readdirSync(directory).length).toBe(2);
        await client.close();
        await until(() => readdirSync(directory).length === 1);
      });

      it('a port that does not exist: an error after the silence', async () => {
        await startSwitch();
        await expect(open({ port: 40 })).rejects.toThrow(
          `Could not open vde: the switch at ${directory} does not answer: it has no port 40, or another user has it`,
        );
        expect(readdirSync(directory)).toEqual(['ctl']);
      });

      it('the switch killed and started again: carrier down, and up again', async () => {
        const first = await startSwitch();
        const [client, { port }] = await open({ port: 3 });
        await end(first);
        await until(() => !carrier(context));
        expect(logs.filter((line) => line.includes('lost the switch'))).toHaveLength(1);
        expect(give(client, broadcast(60, 1))).toBe(true);
        rmSync(join(root, 'mgmt'), { force: true });
        await startSwitch();
        await until(() => carrier(context));
        expect(await console_('port/allprint')).toMatch(/Port 0003[\s\S]*netyard n0 /);
        const plug = new Plug(directory);
        await until(() => {
          give(client, broadcast(60, 2));
          return plug.frames.length > 0;
        });
        plug.send(broadcast(64, 3));
        await until(() => port.frames.length > 0);
      });

      it('the directory of the switch deleted under it', async () => {
        const child = await startSwitch();
        const [client] = await open();
        rmSync(directory, { recursive: true });
        give(client, broadcast(60, 1));
        expect(carrier(context)).toBe(true);
        await end(child);
        await until(() => !carrier(context));
        await client.close();
      });

      it('an endpoint that the switch closes is lost, and asked for again', async () => {
        await startSwitch();
        await open({ port: 4 });
        const [, endpoint] = /endpoint ID ([0-9]+)[^\n]*netyard n0/.exec(await console_('port/allprint')) ?? [];
        expect(await console_(`port/epclose 4 ${Number(endpoint)}`)).toContain('1000 Success');
        await until(() => !carrier(context));
        await until(() => carrier(context));
        expect(await console_('port/allprint')).toMatch(/Port 0004[\s\S]*netyard n0 /);
      });

      it('netyard killed: nothing is left, the port is free, and the next start works', async () => {
        await startSwitch();
        const program = [process.execPath, '--import', 'tsx', join(import.meta.dirname, '../../src/cli/main.ts')];
        const args = ['-netdev', `vde,id=v0,sock=${directory},port=6,mode=0640`];
        for (let round = 0; round < 2; round++) {
          const daemon = await startDaemon({ name: 'vde', runtime: root, program, args });
          const text = await daemon.qmp.execute('human-monitor-command', { 'command-line': 'info network' });
          expect(text).toContain(`type=vde,sock=${directory},fd=`);
          expect(await console_('port/allprint')).toContain('netyard v0 user=');
          expect(readdirSync(directory).filter((name) => name.startsWith('.'))).toEqual([]);
          await daemon.end('SIGKILL');
          await until(() => readdirSync(directory).length === 1);
        }
      });

      it('a stopped switch: back-pressure, and everything that was taken arrives', async () => {
        const child = await startSwitch();
        const [client, { port }] = await open();
        const plug = new Plug(directory);
        await until(async () => {
          give(client, broadcast(60, 0));
          return plug.frames.length > 0;
        });
        plug.frames.length = 0;
        child.kill('SIGSTOP');
        let taken = 0;
        for (let round = 0; round < 2000; round++) {
          const isTaken = give(client, broadcast(1514, taken));
          if (isTaken) taken++;
          else {
            await new Promise((resolve) => setTimeout(resolve, 20));
            if (!give(client, broadcast(1514, taken))) break;
            taken++;
          }
        }
        expect(taken).toBeLessThan(2000);
        const told = port.readyCalls;
        child.kill('SIGCONT');
        await until(() => port.readyCalls > told);
        // The switch's own queue towards the plug is short: what it loses is not ours.
        await until(() => plug.frames.length > 0);
        expect(port.counters.dropped).toEqual({});
      });

      it('a storm both ways', async () => {
        await startSwitch();
        const [a, ofA] = await open({}, 'a');
        const [b, ofB] = await open({}, 'b');
        ofA.port.keep = ofB.port.keep = false;
        let sent = 0;
        for (let round = 0; round < 300; round++) {
          for (let i = 0; i < 64; i++) {
            if (give(a, broadcast(1514, i))) sent++;
            if (give(b, broadcast(60, i))) sent++;
          }
          await new Promise((resolve) => setImmediate(resolve));
        }
        await until(() => ofA.port.counters.sentFrames > 0 && ofB.port.counters.sentFrames > 0);
        expect(sent).toBeGreaterThan(1000);
        expect([carrier(ofA), carrier(ofB)]).toEqual([true, true]);
      });
    });

    describe('with a switch that is not there, or none', () => {
      it('nothing there', async () => {
        await expect(open()).rejects.toThrow('Could not open vde: No such file or directory');
      });

      it('without the addon it says what is missing', async () => {
        await startSwitch();
        const plain = createNodeHost({ native: false });
        await expect(createVde({ sock: directory }, createRecordingContext(plain))).rejects.toThrow(
          'Could not open vde: unix datagram sockets need the native layer: see `netyard doctor`',
        );
        // node:net closes in a later turn.
        await until(() => plain.openSockets === 0);
        await plain.close();
      });

      it('a stale control socket', async () => {
        const child = await startSwitch();
        await end(child);
        await expect(open()).rejects.toThrow('Could not open vde: Connection refused');
      });
    });

    describe('with a switch that misbehaves', () => {
      let server: Server;
      let onRequest: (socket: Socket, request: Buffer) => void;
      let controls: Socket[];
      let data: DatagramSocket | undefined;

      beforeEach(async () => {
        mkdirSync(directory);
        controls = [];
        server = createServer((socket) => {
          controls.push(socket);
          socket.on('error', () => undefined);
          socket.once('data', (request) => onRequest(socket, request));
        });
        await new Promise<void>((resolve) => server.listen(join(directory, 'ctl'), resolve));
        data = await host.sockets.datagram({
          family: 'unix',
          bind: { family: 'unix', path: join(directory, '001.5') },
        });
      });

      afterEach(async () => {
        for (const socket of controls) socket.destroy();
        await new Promise((resolve) => server.close(resolve));
        await data?.close();
      });

      const pathIn = (request: Buffer): string => request.subarray(14, 122).toString().replace(/\0.*$/s, '');
      const reply = (path = join(directory, '001.5')): Buffer => {
        const bytes = Buffer.alloc(110);
        bytes.writeUInt16LE(1, 0);
        bytes.write(path, 2);
        return bytes;
      };

      it('gets the request that libvdeplug sends, in one piece', async () => {
        let seen: Buffer | undefined;
        onRequest = (socket, request) => {
          seen = request;
          socket.write(reply());
        };
        await open({ port: 5 });
        expect(seen?.subarray(0, 14).toString('hex')).toBe('cefaedfe03000000000500000100');
        expect(pathIn(seen!)).toMatch(new RegExp(`^${directory}/\\.${String(process.pid).padStart(5, '0')}-[0-9]{5}$`));
        expect(seen?.subarray(122).toString()).toMatch(new RegExp(`^netyard n0 user=.+ pid=${process.pid}$`));
        expect(VERSION).not.toBe('');
      });

      it.each([
        [{}, 0o700, undefined],
        [{ mode: 0o640 }, 0o640, undefined],
        [{ mode: 0o620, group: 'daemon' }, 0o620, 1],
        [{ group: '2' }, 0o700, 2],
        [{ mode: 0 }, 0, undefined],
      ] as [NetdevVdeOptions, number, number | undefined][])(
        '%o: the path may be used so',
        async (options, mode, group) => {
          let found: { mode: number; gid: number } | undefined;
          onRequest = (socket, request) => {
            const { mode: bits, gid } = statSync(pathIn(request));
            found = { mode: bits & 0o777, gid };
            socket.write(reply());
          };
          await open(options);
          expect(found).toEqual({ mode, gid: group ?? process.getgid?.() });
        },
      );

      it('the owner of the switch may use it, whoever that is', async () => {
        let found: { mode: number; gid: number } | undefined;
        onRequest = (socket, request) => {
          const { mode, gid } = statSync(pathIn(request));
          found = { mode: mode & 0o777, gid };
          socket.write(reply());
        };
        if (process.getuid?.() !== 0) return;
        const { chownSync } = await import('node:fs');
        chownSync(join(directory, 'ctl'), 65_534, 65_533);
        await open();
        expect(found).toEqual({ mode: 0o770, gid: 65_533 });
      });

      it('an unknown group is an error', async () => {
        onRequest = () => undefined;
        await expect(open({ group: 'no-such-group' })).rejects.toThrow(
          "Could not open vde: there is no group 'no-such-group'",
        );
        expect(readdirSync(directory).sort()).toEqual(['001.5', 'ctl']);
      });

      it.each([
        ['closes the connection', (socket: Socket) => socket.end(), 'the switch refused the connection'],
        [
          'resets after half an answer',
          (socket: Socket) => void socket.end(reply().subarray(0, 50)),
          'the switch refused the connection',
        ],
        ['answers with something else', (socket: Socket) => void socket.write(Buffer.alloc(110)), 'is no vde_switch'],
        [
          'names a socket that is not there',
          (socket: Socket) => void socket.write(reply('/nowhere/001.6')),
          'No such file or directory',
        ],
      ] as [string, (socket: Socket) => void, string][])(
        '%s: an error, and nothing is left',
        async (_name, answer, text) => {
          onRequest = answer;
          await expect(open()).rejects.toThrow(text);
          expect(readdirSync(directory).sort()).toEqual(['001.5', 'ctl']);
          expect(host.openSockets).toBe(1);
        },
      );

      it('says nothing: an error after a while; aborted before that: at once', async () => {
        onRequest = () => undefined;
        await expect(open()).rejects.toThrow('does not answer: all its ports are taken');
        const other = createRecordingContext(host, 'x');
        const starting = createVde({ sock: directory }, other);
        await until(() => controls.length === 2);
        other.abort();
        await expect(starting).rejects.toThrow();
        expect(readdirSync(directory).sort()).toEqual(['001.5', 'ctl']);
      });

      it('closes its data socket only: lost, asked for again', async () => {
        onRequest = (socket) => void socket.write(reply());
        const [client] = await open();
        await data?.close();
        data = undefined;
        give(client, broadcast(60, 1));
        await until(() => !carrier(context));
        data = await host.sockets.datagram({
          family: 'unix',
          bind: { family: 'unix', path: join(directory, '001.5') },
        });
        await until(() => carrier(context));
        expect(controls.length).toBeGreaterThan(1);
      });

      it('chatters on the control connection: ignored; hangs up: lost; deleted meanwhile', async () => {
        onRequest = (socket) => void socket.write(reply());
        const [client] = await open();
        controls[0]?.write(Buffer.alloc(100_000));
        await new Promise((resolve) => setTimeout(resolve, 50));
        expect(carrier(context)).toBe(true);
        onRequest = () => undefined;
        controls[0]?.destroy();
        await until(() => !carrier(context));
        await until(() => controls.length === 2);
        await client.close();
        expect(readdirSync(directory).sort()).toEqual(['001.5', 'ctl']);
      });
    });
  },
);
