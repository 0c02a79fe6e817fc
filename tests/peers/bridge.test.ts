/** bridge against the kernel's bridge: made by ourselves, and through Debian's qemu-bridge-helper. */
import { execFileSync, spawnSync } from 'node:child_process';
import { mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { createBridge, createTap } from '../../src/netdevs/index.ts';
import { createNodeHost, type NodeHost } from '../../src/node/index.ts';
import { PROGRAM } from '../kit/guest/daemon.ts';
import { ip, isRoot, TestNamespace, uniqueName } from '../kit/namespace.ts';
import { describeNative } from '../kit/native.ts';
import { createRecordingContext, give, type RecordingContext } from '../kit/netdev-context.ts';
import { describePeer } from '../kit/peers.ts';
import { until } from '../kit/until.ts';

const HELPER = '/usr/lib/qemu/qemu-bridge-helper';
/** As findProgram finds it, from a folder of PATH. */
const HELPER_PROGRAM = '../lib/qemu/qemu-bridge-helper';
const BROADCAST = 0xff;

let host: NodeHost;
let context: RecordingContext;
let bridge: string;
let inside: TestNamespace;
let directory: string;

/** A frame that nothing answers, from a station behind the netdev. */
function frame(mark: number): Uint8Array {
  const bytes = new Uint8Array(100).fill(mark);
  bytes.fill(BROADCAST, 0, 6);
  bytes.set([2, 0, 0, 0, 0, 9, 0x88, 0xb5], 6);
  return bytes;
}

/** Open descriptors after each of two runs: what the first leaves open is no leak unless the second adds to it. */
async function descriptorsAfter(run: () => Promise<void>): Promise<[number, number]> {
  const counts: [number, number] = [0, 0];
  for (const i of [0, 1] as const) {
    await run();
    await new Promise((resolve) => setTimeout(resolve, 50));
    counts[i] = readdirSync('/proc/self/fd').length;
  }
  return counts;
}

const ports = (): string[] => readdirSync(`/sys/class/net/${bridge}/brif`).filter((name) => name.startsWith('tap'));
const attribute = (name: string, what: string): string => readFileSync(`/sys/class/net/${name}/${what}`, 'utf8').trim();
const received = (): number =>
  (JSON.parse(inside.ip('-s', '-j', 'link', 'show', 'far')) as [{ stats64: { rx: { packets: number } } }])[0].stats64.rx
    .packets;

/** A helper of our own that runs Debian's with a configuration of the test's, which no other program sees. */
function helperAllowing(...lines: string[]): string {
  const path = join(directory, 'helper');
  const configuration = lines.join('\\n');
  writeFileSync(
    path,
    `#!/bin/sh
if [ "$NY_INSIDE" = "" ]; then NY_INSIDE=1 exec unshare --mount "$0" "$@"; fi
mount -t tmpfs none /etc && mkdir /etc/qemu && printf '${configuration}\\n' >/etc/qemu/bridge.conf
exec ${HELPER} "$@"
`,
    { mode: 0o755 },
  );
  return path;
}

describeNative('bridge', () => {
  describe.skipIf(!isRoot)('as root', () => {
    beforeEach(() => {
      host = createNodeHost({ native: true });
      context = createRecordingContext(host, 'b0');
      bridge = uniqueName('nb');
      directory = mkdtempSync(join(tmpdir(), 'ny-bridge-'));
      inside = new TestNamespace();
      const near = uniqueName('nv');
      ip('link', 'add', bridge, 'type', 'bridge');
      ip('link', 'add', near, 'type', 'veth', 'peer', 'name', 'far', 'netns', inside.name);
      for (const name of [near, bridge]) ip('link', 'set', name, 'mtu', '1400');
      ip('link', 'set', near, 'master', bridge);
      for (const name of [near, bridge]) ip('link', 'set', name, 'up');
      inside.ip('link', 'set', 'far', 'up');
    });

    afterEach(async () => {
      await host.close();
      expect([host.openSockets, host.counters.callbackErrors]).toEqual([0, 0]);
      ip('link', 'del', bridge);
      inside.close();
      rmSync(directory, { recursive: true });
    });

    /** Frames both ways over the bridge. */
    async function expectCarries(client: { receive: never } | Awaited<ReturnType<typeof createBridge>>): Promise<void> {
      const netdev = client as Awaited<ReturnType<typeof createBridge>>;
      const before = received();
      for (let i = 0; i < 5; i++) expect(give(netdev, frame(i))).toBe(true);
      await until(() => received() >= before + 5);
      const script = `import socket; s=socket.socket(socket.AF_PACKET,socket.SOCK_RAW); s.bind(("far",0)); s.send(bytes.fromhex("${Buffer.from(frame(77)).toString('hex')}"))`;
      expect((await inside.exec('python3', '-c', script)).status).toBe(0);
      await until(() => context.port.frames.some((bytes) => Buffer.compare(bytes, frame(77)) === 0));
    }

    describePeer('by ourselves', ['ip', 'python3'], () => {
      it('a tap with the bridge’s MTU and a high address, on it and up; gone with the netdev', async () => {
        const netdev = await createBridge({ br: bridge }, context);
        const [name] = ports() as [string];
        expect(ports()).toHaveLength(1);
        expect(netdev.info()).toBe(`ifname=${name},br=${bridge}`);
        expect([attribute(name, 'mtu'), attribute(name, 'address').slice(0, 2)]).toEqual(['1400', 'fe']);
        expect(Number(attribute(name, 'flags')) & 1).toBe(1);
        expect(netdev.offloads & 7).toBe(7);
        await expectCarries(netdev);
        await netdev.close();
        expect(ports()).toEqual([]);
      });

      it('a bridge that does not exist, and an interface that is none', async () => {
        const [member] = readdirSync(`/sys/class/net/${bridge}/brif`) as [string];
        await expect(createBridge({ br: 'nowhere' }, context)).rejects.toThrow(
          "could not find bridge 'nowhere': No such device",
        );
        await expect(createBridge({ br: member }, context)).rejects.toThrow(
          /^could not add tap\d+ to bridge 'nv\w+': /,
        );
      });
    });

    describePeer('through the helper', ['ip', 'python3', 'unshare', 'mount', HELPER_PROGRAM], () => {
      it('bridge,helper=', async () => {
        const helper = helperAllowing(`allow ${bridge}`);
        const netdev = await createBridge({ br: bridge, helper }, context);
        expect(netdev.info()).toBe(`helper=${helper},br=${bridge}`);
        expect(ports()).toHaveLength(1);
        expect(netdev.offloads & 7).toBe(7);
        await expectCarries(netdev);
        await netdev.close();
        expect(ports()).toEqual([]);
      });

      it('tap,helper= as a line for the shell', async () => {
        const helper = `NY_UNUSED=1 ${helperAllowing('deny all', `allow ${bridge}`)}`;
        await expect(createTap({ helper, br: bridge }, context)).rejects.toThrow('bridge helper failed');
        const allowing = `NY_UNUSED=1 ${helperAllowing('allow all')}`;
        const netdev = await createTap({ helper: allowing, br: bridge }, context);
        expect(netdev.info()).toBe(`helper=${allowing}`);
        await expectCarries(netdev);
        await netdev.close();
      });

      it('a bridge that its configuration does not allow', async () => {
        const refusal = createBridge({ br: bridge, helper: helperAllowing('allow other') }, context);
        await expect(refusal).rejects.toMatchObject({
          message: 'bridge helper failed',
          hint: expect.stringContaining('/etc/qemu/bridge.conf'),
        });
      });
    });

    describePeer('helpers that do something else', ['sh'], () => {
      it.each([
        ['ends with 0 and sends nothing', 'exit 0', 'ended without sending a descriptor'],
        ['ends with 7', 'exit 7', 'ended with status 7;'],
        ['is killed', 'kill -9 $$', 'was killed by signal 9;'],
        ['sends a byte alone', 'printf x >&3', 'ended without sending a descriptor'],
        ['leaves a child with the socket behind', '(sleep 5 </dev/null >/dev/null 2>&1 &) ; exit 0', 'without sending'],
      ])('%s', async (_name, line, reason) => {
        const helper = join(directory, 'helper');
        writeFileSync(helper, `#!/bin/sh\n${line}\n`, { mode: 0o755 });
        await expect(createBridge({ br: bridge, helper }, context)).rejects.toMatchObject({
          message: 'bridge helper failed',
          hint: expect.stringContaining(reason),
        });
      });

      it('does not exist', async () => {
        await expect(createBridge({ br: bridge, helper: '/nonexistent' }, context)).rejects.toMatchObject({
          message: 'bridge helper failed',
          hint: expect.stringContaining('/nonexistent: No such file or directory'),
        });
      });

      it.each([
        ['two descriptors', 2, 'without sending a descriptor'],
        ['ten descriptors', 10, 'without sending a descriptor'],
      ])('sends %s: none of them stays', async (_name, count, reason) => {
        const helper = join(directory, 'helper');
        writeFileSync(
          helper,
          `#!/usr/bin/env python3
import socket, array
s = socket.socket(fileno=3)
s.sendmsg([b"\\0"], [(socket.SOL_SOCKET, socket.SCM_RIGHTS, array.array("i", [0] * ${count}))])
`,
          { mode: 0o755 },
        );
        const [first, second] = await descriptorsAfter(() =>
          expect(createBridge({ br: bridge, helper }, context)).rejects.toMatchObject({
            hint: expect.stringContaining(reason),
          }),
        );
        expect(second).toBe(first);
      });

      it('sends something that is no tap', async () => {
        const helper = join(directory, 'helper');
        writeFileSync(
          helper,
          `#!/usr/bin/env python3
import socket, array
s = socket.socket(fileno=3)
s.sendmsg([b"\\0"], [(socket.SOL_SOCKET, socket.SCM_RIGHTS, array.array("i", [0]))])
`,
          { mode: 0o755 },
        );
        const [first, second] = await descriptorsAfter(() =>
          expect(createBridge({ br: bridge, helper }, context)).rejects.toThrow(/^Unable to query TUNGETIFF on FD \d+/),
        );
        expect(second).toBe(first);
      });
    });

    describePeer('without rights', ['setpriv', HELPER_PROGRAM], () => {
      it('the default helper is asked, which has its own', () => {
        const options = {
          encoding: 'utf8',
          env: { ...process.env, XDG_RUNTIME_DIR: directory, XDG_STATE_HOME: `${directory}/state` },
        } as const;
        execFileSync('chmod', ['777', directory]);
        const { status, stderr } = spawnSync(
          'setpriv',
          ['--reuid=65534', '--regid=65534', '--clear-groups', '--inh-caps=-all', '--bounding-set=-all', '--'].concat(
            process.execPath,
            PROGRAM,
            '-netdev',
            `bridge,id=b,br=${bridge}`,
          ),
          options,
        );
        expect(stderr).toContain('bridge helper failed');
        expect(stderr).toContain('bridge.conf');
        expect(status).toBe(1);
      });
    });
  });
});
