import { setFlagsFromString } from 'node:v8';
import { runInNewContext } from 'node:vm';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { createTestHost, type TestHost } from '../../tests/kit/host.ts';
import { DROPPED, HostError, type NetClient, type NetdevContext, type NetdevFactory } from '../net/index.ts';
import { createHubport, createUserNetdev } from '../netdevs/index.ts';
import { QapiError } from '../qapi/index.ts';
import type { DriverTable } from './netdev-registry.ts';
import { Yard } from './yard.ts';

/** A driver whose start and end the test decides. */
function gate(): Gate {
  const contexts: NetdevContext[] = [];
  let release: () => void = () => {};
  let outcome: () => Promise<void> = async () => {};
  let isFree = false;
  const factory: NetdevFactory<never> = async (_options, context) => {
    contexts.push(context);
    gated.onStart?.(context);
    await outcome();
    const client: NetClient = {
      offloads: 0,
      receive: () => true,
      linkChanged: () => {},
      info: () => 'gate',
      close: () => (isFree ? Promise.resolve() : new Promise((resolve) => (release = resolve))),
    };
    return client;
  };
  const gated: Gate = {
    factory,
    contexts,
    release: () => release(),
    /** From now on, closing is at once. */
    freely: () => {
      isFree = true;
      release();
    },
    failWith: (error: Error | undefined) => {
      outcome = error === undefined ? async () => {} : () => Promise.reject(error);
    },
  };
  return gated;
}

interface Gate {
  readonly factory: NetdevFactory<never>;
  readonly contexts: NetdevContext[];
  onStart?: (context: NetdevContext) => void;
  release(): void;
  freely(): void;
  failWith(error: Error | undefined): void;
}

let test: TestHost;
let yard: Yard;
let gated: Gate;

beforeEach(() => {
  test = createTestHost();
  gated = gate();
  const drivers: DriverTable = { hubport: createHubport, user: createUserNetdev, vde: gated.factory } as DriverTable;
  yard = new Yard({ host: test.host, drivers, version: '1.2.3' });
});

afterEach(async () => {
  gated.freely();
  const closed = yard.close();
  await test.elapse(2000);
  await closed;
  expect(test.leaks()).toEqual([]);
});

const add = (args: object) => yard.execute('netdev_add', args as never);

async function failure(work: Promise<unknown>): Promise<{ class: string; desc: string }> {
  try {
    await work;
  } catch (error) {
    if (error instanceof QapiError) return { class: error.errorClass, desc: error.message };
    throw error;
  }
  throw new Error('it succeeded');
}

describe('trusted', () => {
  it('is a port that may claim addresses of the yard; the connections of a listener are as it is', async () => {
    gated.freely();
    const client: NetClient = {
      offloads: 0,
      receive: () => true,
      linkChanged: () => {},
      info: () => '',
      close: async () => {},
    };
    gated.onStart = (context) =>
      void context.openChild(
        `${context.id}.0`,
        () => client,
        () => {},
      );
    await yard.addNetdevText('vde,id=a,trusted=on');
    await add({ type: 'vde', id: 'b', trusted: false });
    await add({ type: 'vde', id: 'c' });
    const { ports, 'trusted-ports': trusted } = (await yard.execute('query-net-switch', {})) as Record<string, unknown>;
    expect(ports).toEqual(['a.0', 'a', 'b.0', 'b', 'c.0', 'c']);
    expect(trusted).toEqual(['a.0', 'a']);
  });
});

describe('a descriptor that a netdev names', () => {
  it.each(['', 'abc', '-1', '0x5', '5x', '99999999999'])(
    '%j: a number on the command line, a name for monitors',
    async (text) => {
      gated.freely();
      const asked: (string | number)[] = [];
      gated.onStart = (context) => {
        try {
          asked.push(context.takeDescriptor(text));
        } catch (error) {
          asked.push((error as Error).message);
        }
      };
      await yard.addNetdevText('vde,id=a');
      await add({ type: 'vde', id: 'b' });
      await yard.execute('human-monitor-command', { 'command-line': 'netdev_add vde,id=c' });
      const number = `Invalid file descriptor number '${text}'`;
      const named = /^\d/.test(text) ? number : `File descriptor named '${text}' has not been found`;
      expect(asked).toEqual([number, named, named]);
    },
  );
});

it('query-commands and query-qmp-schema name the same commands', async () => {
  const listed = (await yard.execute('query-commands', undefined)) as { name: string }[];
  const described = (await yard.execute('query-qmp-schema', undefined)) as { name: string; 'meta-type': string }[];
  const commands = described.filter((entity) => entity['meta-type'] === 'command');
  const names = (list: { name: string }[]): string[] => list.map(({ name }) => name).sort();
  expect(names(listed)).toEqual(names(commands));
  expect(names(listed)).toContain('qmp_capabilities');
});

describe('netdev_add', () => {
  it.each([
    [{ type: 'user', id: '1a' }, "Parameter 'id' expects an identifier"],
    [{ type: 'none', id: '1a' }, "Parameter 'id' expects an identifier"],
    [{ type: 'none', id: 'a' }, "network backend 'none' is not compiled into this binary"],
    [{ type: 'netmap', id: 'a', ifname: 'x' }, "network backend 'netmap' is not compiled into this binary"],
    [{ type: 'nic', id: 'a', foo: 1 }, "Parameter 'foo' is unexpected"],
    [{ type: 'what', id: 'a' }, "Parameter 'type' does not accept value 'what'"],
    [{ type: 'hubport', id: 'a' }, "Parameter 'hubid' is missing"],
    [{ type: 'hubport', id: 'a', hubid: 0, netdev: 'x' }, "netdev 'x' not found"],
  ])('refuses %j', async (args, desc) => {
    expect(await failure(add(args))).toEqual({ class: 'GenericError', desc });
    expect(yard.network.clients()).toHaveLength(0);
  });

  it('refuses an id in use, whatever the type', async () => {
    await add({ type: 'hubport', id: 'hp0', hubid: 0 });
    expect((await failure(add({ type: 'user', id: 'hp0' }))).desc).toBe("Duplicate ID 'hp0'");
  });

  it('refuses more netdevs than the cap, until one is deleted', async () => {
    for (let n = 0; n < 512; n++) await add({ type: 'hubport', id: `hp${n}`, hubid: n });
    const refused = { class: 'GenericError', desc: 'too many netdevs (limit 512): delete one first' };
    expect(await failure(add({ type: 'hubport', id: 'more', hubid: 0 }))).toEqual(refused);
    await yard.execute('netdev_del', { id: 'hp7' });
    await add({ type: 'hubport', id: 'more', hubid: 0 });
  });

  it('leaves nothing behind when the driver fails', async () => {
    gated.failWith(new HostError('EADDRINUSE', 'Address already in use'));
    await expect(add({ type: 'vde', id: 'v' })).rejects.toThrow('Address already in use');
    expect(gated.contexts[0]!.signal.aborted).toBe(true);
    expect(yard.network.find('v')).toHaveLength(0);
    gated.failWith(undefined);
    await add({ type: 'vde', id: 'v' });
    expect(yard.network.find('v')).toHaveLength(1);
  });

  it('of a name still held waits until it is free', async () => {
    await add({ type: 'vde', id: 'v' });
    const deleted = yard.execute('netdev_del', { id: 'v' });
    await new Promise((resolve) => setImmediate(resolve));
    test.advance(1001);
    await deleted;
    let again = false;
    const added = add({ type: 'vde', id: 'v' }).then(() => (again = true));
    await new Promise((resolve) => setImmediate(resolve));
    expect(again).toBe(false);
    gated.release();
    await added;
    expect(again).toBe(true);
  });
});

describe('netdev_del', () => {
  it('of an unknown id is DeviceNotFound', async () => {
    expect(await failure(yard.execute('netdev_del', { id: 'zzz' }))).toEqual({
      class: 'DeviceNotFound',
      desc: "Device 'zzz' not found",
    });
  });

  it('of an in-process guest is DeviceNotFound too: it is a NIC', async () => {
    yard.attach({ id: 'vm0' });
    expect((await failure(yard.execute('netdev_del', { id: 'vm0' }))).class).toBe('DeviceNotFound');
  });

  it('kicks a child, and removes the children of what it deletes', async () => {
    await add({ type: 'vde', id: 'v' });
    const kicked: string[] = [];
    const idle = { offloads: 0, receive: () => true, linkChanged: () => {}, info: () => '', close: async () => {} };
    for (const name of ['v.0', 'v.1']) {
      const child = gated.contexts[0]!.openChild(
        name,
        () => idle,
        () => {
          kicked.push(name);
          child.remove();
        },
      );
    }
    expect(yard.network.find('v.1')).toHaveLength(1);
    await yard.execute('netdev_del', { id: 'v.0' });
    expect(kicked).toEqual(['v.0']);
    expect((await failure(yard.execute('netdev_del', { id: 'v.0' }))).class).toBe('DeviceNotFound');
    const deleted = yard.execute('netdev_del', { id: 'v' });
    await new Promise((resolve) => setImmediate(resolve));
    gated.release();
    await deleted;
    expect(kicked).toEqual(['v.0', 'v.1']);
    expect(yard.network.clients()).toHaveLength(0);
  });
});

describe('in-process guests', () => {
  it('that came and went leave nothing behind', async () => {
    setFlagsFromString('--expose-gc');
    const collect = runInNewContext('gc') as () => void;
    const gone: WeakRef<object>[] = [];
    for (let i = 0; i < 100; i++) {
      const guest = yard.attach({ id: `vm${i}` });
      gone.push(new WeakRef(guest));
      await guest.close();
    }
    await new Promise((resolve) => setImmediate(resolve));
    collect();
    expect(gone.filter((guest) => guest.deref() !== undefined).length).toBeLessThan(10);
  });

  it('without an id are refused, whatever the caller passed', () => {
    for (const options of [undefined, {}, { mac: '52:54:00:aa:bb:cc' }])
      expect(() => yard.attach(options as never)).toThrow("Parameter 'id' is missing");
    expect(yard.network.clients()).toHaveLength(0);
  });

  it('a frame that is no Uint8Array is refused and counts nothing', () => {
    const guest = yard.attach({ id: 'vm0' });
    const other = yard.attach({ id: 'vm1' });
    for (const bytes of [undefined, null, 'x', [], new ArrayBuffer(60), { length: 60 }])
      expect(() => guest.send(bytes as never)).toThrow(TypeError);
    expect(guest.counters).toMatchObject({ sentFrames: 0, sentBytes: 0 });
    expect(other.counters).toMatchObject({ receivedFrames: 0, receivedBytes: 0 });
  });

  it('are unplugged when the yard closes', async () => {
    const guest = yard.attach({ id: 'vm0' });
    await yard.close();
    expect(guest.send(new Uint8Array(60))).toBe(DROPPED);
    expect(yard.network.clients()).toHaveLength(0);
  });
});

describe('other commands', () => {
  it('set_link answers DeviceNotFound, and changes what query-net-clients shows', async () => {
    expect(await failure(yard.execute('set_link', { name: '', up: true }))).toEqual({
      class: 'DeviceNotFound',
      desc: "Device '' not found",
    });
    await add({ type: 'user', id: 'u0' });
    await yard.execute('set_link', { name: 'u0', up: false });
    expect(await yard.execute('query-net-clients', {})).toMatchObject([
      {
        name: 'u0',
        type: 'user',
        link: false,
        'admin-link': false,
        'is-netdev': true,
        info: 'net=10.0.2.0,restrict=off',
      },
    ]);
  });

  it('query-rx-filter has the errors of QEMU', async () => {
    await add({ type: 'user', id: 'u0' });
    yard.attach({ id: 'vm0' });
    expect(await yard.execute('query-rx-filter', {})).toEqual([]);
    expect((await failure(yard.execute('query-rx-filter', { name: 'x' }))).desc).toBe('invalid net client name: x');
    expect((await failure(yard.execute('query-rx-filter', { name: 'u0' }))).desc).toBe("net client(u0) isn't a NIC");
    expect((await failure(yard.execute('query-rx-filter', { name: 'vm0' }))).desc).toBe(
      "net client(vm0) doesn't support rx-filter querying",
    );
  });

  it('announce-self sends the RARP frame of every NIC through its wire', async () => {
    const frames: Uint8Array[] = [];
    yard.attach({ id: 'vm0', mac: '52:54:00:aa:bb:cc' });
    yard.attach({ id: 'vm1' }).onFrame = (bytes) => frames.push(bytes.slice());
    await yard.execute('announce-self', { initial: 50, max: 550, rounds: 2, step: 100, interfaces: ['vm0'] });
    test.advance(60);
    expect(frames.map((frame) => Buffer.from(frame).toString('hex'))).toEqual([RARP, RARP]);
  });

  it('an unknown command is CommandNotFound', async () => {
    expect(await failure(yard.execute('nope', undefined))).toEqual({
      class: 'CommandNotFound',
      desc: 'The command nope has not been found',
    });
    expect((await failure(yard.execute('toString', undefined))).class).toBe('CommandNotFound');
  });

  it('quit tells, answers and then ends the yard', async () => {
    const seen: string[] = [];
    yard.subscribe((event) => seen.push(`${event.event} ${JSON.stringify(event.data)}`));
    yard.onQuit = () => seen.push('quit');
    expect(await yard.execute('quit', undefined)).toEqual({});
    expect(seen).toEqual(['SHUTDOWN {"guest":false,"reason":"host-qmp-quit"}']);
    test.advance(1);
    expect(seen.at(-1)).toBe('quit');
  });

  it('answers every command that its schema has, but the one that belongs to the session', () => {
    const missing = yard.schema.commandNames().filter((name) => !yard.isKnown(name));
    expect(missing).toEqual(['qmp_capabilities']);
  });
});

const RARP = `ffffffffffff525400aabbcc80350001080006040003525400aabbcc00000000525400aabbcc00000000${'00'.repeat(18)}`;

describe('human-monitor-command', () => {
  const hmp = async (line: string) => yard.execute('human-monitor-command', { 'command-line': line });

  it('info network prints hubs and clients as QEMU does', async () => {
    await add({ type: 'hubport', id: 'hp0', hubid: 0 });
    await add({ type: 'user', id: 'u0' });
    await add({ type: 'hubport', id: 'hp2', hubid: 1, netdev: 'u0' });
    expect(await hmp('info network')).toBe(
      'hub 1\r\n \\ hp2: u0: index=0,type=user,net=10.0.2.0,restrict=off\r\nhub 0\r\n \\ hp0\r\n',
    );
  });

  it.each([
    ['', ''],
    ['foo', "unknown command: 'foo'\r\n"],
    ['info foo', "unknown command: 'info foo'\r\n"],
    ['set_link u0', "Expected 'on' or 'off'\r\nTry \"help set_link\" for more information\r\n"],
    ['set_link zz on', "Error: Device 'zz' not found\r\n"],
    ['netdev_del', 'netdev_del: string expected\r\nTry "help netdev_del" for more information\r\n'],
    ['netdev_del nope', "Error: Device 'nope' not found\r\n"],
    ['netdev_add user', "Error: Parameter 'id' is missing\r\n"],
    ['netdev_add bogus,id=a', "Error: Parameter 'type' does not accept value 'bogus'\r\n"],
    ['netdev_add user,id=a,bogus=1', "Error: Invalid parameter 'bogus'\r\n"],
    ['netdev_add', "Error: Parameter 'id' is missing\r\n"],
    ['netdev_add "user', 'unterminated string\r\nTry "help netdev_add" for more information\r\n'],
    [
      'netdev_del "a',
      'unterminated string\r\nnetdev_del: string expected\r\nTry "help netdev_del" for more information\r\n',
    ],
    ['set_link a "on"', "Expected 'on' or 'off'\r\nTry \"help set_link\" for more information\r\n"],
    ['q now', 'quit|q: extraneous characters at the end of line\r\nTry "help q" for more information\r\n'],
    ['info/network', "unknown command: 'info'\r\n"],
    ['info /network', "unknown command: 'info '\r\n"],
    ['help/x', "unknown command: '/x'\r\n"],
    ['quit now', 'quit|q: extraneous characters at the end of line\r\nTry "help quit" for more information\r\n'],
    ['hostfwd_add tcp::1-:1', 'user mode network stack not in use\r\n'],
    ['help set_link', 'set_link name on|off -- change the link status of a network adapter\r\n'],
    ['help info network', 'info network  -- show the network state\r\n'],
  ])('%s', async (line, output) => {
    expect(await hmp(line)).toBe(output);
  });

  it('hostfwd_add, info usernet and hostfwd_remove', async () => {
    await add({ type: 'user', id: 'a' });
    expect(await hmp('hostfwd_add tcp:127.0.0.1:12345-:22')).toBe('');
    expect(await hmp('info usernet')).toBe(
      [
        'Hub -1 (a):',
        '  Protocol[State]    FD  Source Address  Port   Dest. Address  Port RecvQ SendQ',
        '  TCP[HOST_FORWARD]  -1       127.0.0.1 12345       10.0.2.15    22     0     0',
        '',
      ].join('\r\n'),
    );
    expect(await hmp('hostfwd_remove tcp:127.0.0.1:12345')).toBe(
      'host forwarding rule for tcp:127.0.0.1:12345 removed\r\n',
    );
    expect(await hmp('hostfwd_add a bad')).toBe("Invalid host forwarding rule 'bad' (No : separators)\r\n");
    expect(await hmp('hostfwd_add nope tcp::1-:1')).toBe("unrecognized netdev id 'nope'\r\n");
  });

  it('never rejects on any bytes', async () => {
    for (const line of ['"', '"\\', '"\\x"', 'set_link "a b" on', '\t\t', 'info', 'help', '?', 'x'.repeat(5000)]) {
      expect(typeof (await hmp(line))).toBe('string');
    }
  });
});
