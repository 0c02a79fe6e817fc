/** netdev_add of tap and bridge, right and wrong, as QEMU answers it: the error's text, or the line of `info network`. */
import { type ChildProcess, spawn } from 'node:child_process';
import { existsSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import type { NetClient, NetdevContext } from '../../src/net/index.ts';
import { nativeDrivers } from '../../src/netdevs/index.ts';
import { createNodeHost, type NodeHost } from '../../src/node/index.ts';
import { connectQmp, type QmpWire } from '../kit/guest/qmp-wire.ts';
import { ip, isRoot, uniqueName } from '../kit/namespace.ts';
import { describeNative } from '../kit/native.ts';
import { createRecordingContext } from '../kit/netdev-context.ts';
import { describePeer } from '../kit/peers.ts';

interface Case {
  readonly type: 'tap' | 'bridge';
  readonly [member: string]: unknown;
}

const NONE = { script: 'no', downscript: 'no' } as const;
const NAME = uniqueName('nq');
const PERSISTENT = uniqueName('nr');
const directory = mkdtempSync(join(tmpdir(), 'ny-tapq-'));
const script = (name: string): string => join(directory, name);

const CASES: Case[] = [
  { type: 'tap', fd: '99', ifname: 'x' },
  { type: 'tap', fd: '99', script: 'no' },
  { type: 'tap', fd: '99', fds: '1:2' },
  { type: 'tap', fd: '99', queues: 2, helper: '/x' },
  { type: 'tap', fds: '98:99', ifname: 'x' },
  { type: 'tap', fds: '98:99', vhostfd: '97' },
  { type: 'tap', fds: '98:99', helper: '/x' },
  { type: 'tap', helper: '/x', ifname: 'y' },
  { type: 'tap', helper: '/x', vhostfds: '1' },
  { type: 'tap', vhostfds: '1' },
  { type: 'tap', fd: '99' },
  { type: 'tap', fd: 'nope' },
  { type: 'tap', helper: '/nonexistent' },
  { type: 'tap', helper: '/bin/false' },
  { type: 'tap', ...NONE, ifname: 'lo' },
  { type: 'tap', ...NONE, ifname: PERSISTENT },
  { type: 'tap', ...NONE, ifname: PERSISTENT, vnet_hdr: false, vhost: false },
  { type: 'tap', ...NONE, ifname: PERSISTENT, queues: 2 },
  { type: 'tap', ...NONE, ifname: NAME },
  { type: 'tap', ...NONE, ifname: `${NAME}%d` },
  { type: 'tap', ...NONE, ifname: NAME, queues: 3 },
  { type: 'tap', ...NONE, ifname: NAME, sndbuf: 65536, 'poll-us': 7, br: 'ignored' },
  { type: 'tap', ...NONE, ifname: NAME, vhost: false, vhostfd: '5' },
  { type: 'tap', ifname: NAME, script: script('ok'), downscript: 'no' },
  { type: 'tap', ifname: NAME, script: 'no', downscript: script('ok') },
  { type: 'tap', ifname: NAME, script: script('fails'), downscript: 'no' },
  { type: 'tap', ifname: NAME, script: script('dies'), downscript: 'no' },
  { type: 'tap', ifname: NAME, script: '/nonexistent' },
  { type: 'bridge', br: 'nowhere', helper: '/bin/false' },
  { type: 'bridge', br: 'nowhere', helper: '/nonexistent' },
  // The last one: QEMU keeps the 256 queues that it got.
  { type: 'tap', ...NONE, ifname: NAME, queues: 300 },
];

describeNative('tap and bridge', () => {
  describe.skipIf(!isRoot)('as root', () => {
    describePeer('netdev_add as QEMU answers it', ['qemu-system-x86_64', 'ip'], () => {
      let host: NodeHost;
      let qemu: ChildProcess;
      let qmp: QmpWire;

      beforeAll(async () => {
        host = createNodeHost({ native: true });
        for (const [name, text] of Object.entries({ ok: 'exit 0', fails: 'exit 3', dies: 'kill -TERM $$' })) {
          writeFileSync(script(name), `#!/bin/sh\n${text}\n`, { mode: 0o755 });
        }
        ip('tuntap', 'add', PERSISTENT, 'mode', 'tap');
        const path = join(directory, 'qmp');
        const options = ['-M', 'none', '-nodefaults', '-display', 'none', '-qmp', `unix:${path},server=on,wait=off`];
        qemu = spawn('qemu-system-x86_64', options, { stdio: 'ignore' });
        for (const limit = performance.now() + 20_000; !existsSync(path); ) {
          if (performance.now() > limit) throw new Error('QEMU did not start');
          await new Promise((resolve) => setTimeout(resolve, 20));
        }
        qmp = await connectQmp(path);
      });

      afterAll(async () => {
        qmp?.close();
        qemu?.kill('SIGKILL');
        await host.close();
        ip('link', 'del', PERSISTENT);
        rmSync(directory, { recursive: true });
      });

      async function theirs(options: Case): Promise<string> {
        try {
          await qmp.execute('netdev_add', { id: 'n0', ...options });
        } catch (error) {
          return (error as Error).message;
        }
        const text = await qmp.execute<string>('human-monitor-command', { 'command-line': 'info network' });
        await qmp.execute('netdev_del', { id: 'n0' });
        return `ok ${/^n0: index=0,type=\w+,(.*?)\r?$/m.exec(text)?.[1]}`;
      }

      async function ours(options: Case): Promise<string> {
        const create = nativeDrivers[options.type] as (options: Case, context: NetdevContext) => Promise<NetClient>;
        const context: NetdevContext = {
          ...createRecordingContext(host),
          takeDescriptor: (text) => {
            if (/^\d/.test(text)) return Number(text);
            throw new Error(`File descriptor named '${text}' has not been found`);
          },
        };
        try {
          const client = await create(options, context);
          const info = client.info();
          await client.close();
          return `ok ${info}`;
        } catch (error) {
          return `GenericError: ${(error as Error).message}`;
        }
      }

      it.each(CASES)('%j', async (options) => {
        expect(await ours(options)).toBe(await theirs(options));
      });
    });
  });
});
