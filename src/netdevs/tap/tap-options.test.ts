/** tap: which options go together, QEMU's words for those that do not, and what is asked of the kernel. */
import { beforeEach, describe, expect, it } from 'vitest';
import { createTestHost } from '../../../tests/kit/host.ts';
import { type MemoryKernel, withKernel } from '../../../tests/kit/memory/kernel.ts';
import { createRecordingContext, type RecordingContext } from '../../../tests/kit/netdev-context.ts';
import type { NetClient } from '../../net/index.ts';
import { hostError } from '../../node/errno.ts';
import type { QapiError } from '../../qapi/index.ts';
import type { NetdevTapOptions } from '../../schema/net.ts';
import { createTap } from './index.ts';

const NO_SCRIPTS = { script: 'no', downscript: 'no' } as const;
const PLAIN = 0x1002;
const VNET = 0x4000 | PLAIN;

let kernel: MemoryKernel;
let context: RecordingContext;
let passed: Map<string, number>;

beforeEach(() => {
  const made = withKernel(createTestHost());
  kernel = made.kernel;
  passed = new Map();
  context = {
    ...createRecordingContext(made.host, 't0'),
    takeDescriptor: (text) => (/^\d/.test(text) ? Number(text) : (passed.get(text) as number)),
  };
});

const create = (options: NetdevTapOptions): Promise<NetClient> => createTap(options, context);
const refused = (options: NetdevTapOptions): Promise<QapiError> =>
  create(options).then(
    () => expect.fail('it started'),
    (error: QapiError) => error,
  );
const allClosed = (): boolean => kernel.taps.every(({ isClosed }) => isClosed);

describe('options that exclude each other', () => {
  const WITH_FD =
    'ifname=, script=, downscript=, vnet_hdr=, helper=, queues=, fds=, and vhostfds= are invalid with fd=';
  const WITH_FDS = 'ifname=, script=, downscript=, vnet_hdr=, helper=, queues=, and vhostfd= are invalid with fds=';
  const WITH_HELPER = 'ifname=, script=, downscript=, vnet_hdr=, queues=, and vhostfds= are invalid with helper=';
  const cases: [NetdevTapOptions, string][] = [
    [{ fd: '3', ifname: 'x' }, WITH_FD],
    [{ fd: '3', script: 'no' }, WITH_FD],
    [{ fd: '3', downscript: 'no' }, WITH_FD],
    [{ fd: '3', vnet_hdr: false }, WITH_FD],
    [{ fd: '3', helper: '/h' }, WITH_FD],
    [{ fd: '3', queues: 1 }, WITH_FD],
    [{ fd: '3', fds: '4:5' }, WITH_FD],
    [{ fd: '3', vhostfds: '4' }, WITH_FD],
    [{ fds: '3:4', ifname: 'x' }, WITH_FDS],
    [{ fds: '3:4', vnet_hdr: true }, WITH_FDS],
    [{ fds: '3:4', helper: '/h' }, WITH_FDS],
    [{ fds: '3:4', queues: 2 }, WITH_FDS],
    [{ fds: '3:4', vhostfd: '5' }, WITH_FDS],
    [{ fds: '3:4', vhostfds: '5' }, 'The number of fds passed does not match the number of vhostfds passed'],
    [{ helper: '/h', ifname: 'x' }, WITH_HELPER],
    [{ helper: '/h', script: 'no' }, WITH_HELPER],
    [{ helper: '/h', queues: 2 }, WITH_HELPER],
    [{ helper: '/h', vhostfds: '2' }, WITH_HELPER],
    [{ vhostfds: '3' }, "vhostfds= is invalid if fds= wasn't specified"],
    [{ vhost: false, vhostfd: '3' }, 'vhostfd(s)= is not valid without vhost'],
    [{ queues: 0 }, 'queues must be between 1 and 1024'],
    [{ queues: 1025 }, 'queues must be between 1 and 1024'],
  ];
  it.each(cases)('%j', async (options, text) => {
    expect((await refused(options)).message).toBe(text);
    expect(kernel.taps).toEqual([]);
  });
});

describe('own device', () => {
  it('asks for the ioctls in their order, with offloads', async () => {
    const netdev = await create({ ...NO_SCRIPTS, ifname: 'ny0' });
    expect(kernel.taps[0]?.ioctls).toEqual([
      'TUNGETFEATURES 0',
      `TUNSETIFF ${0x2 | 0x1000 | 0x2000 | 0x4000}`,
      'TUNSETVNETHDRSZ 10',
      'TUNSETOFFLOAD 111',
      'TUNSETSNDBUF 2147483647',
    ]);
    expect(netdev.info()).toBe('ifname=ny0,script=no,downscript=no');
    expect(netdev.offloads).toBe(15);
    await netdev.close();
    expect(allClosed()).toBe(true);
  });

  it('lets the kernel choose a name', async () => {
    expect((await create(NO_SCRIPTS)).info()).toBe('ifname=tap0,script=no,downscript=no');
  });

  it('without header on request, and then without offloads', async () => {
    const netdev = await create({ ...NO_SCRIPTS, vnet_hdr: false });
    expect(kernel.taps[0]?.flags).toBe(0x2 | 0x1000 | 0x2000);
    expect(kernel.taps[0]?.ioctls).toContain('TUNSETOFFLOAD 0');
    expect(netdev.offloads).toBe(0);
  });

  it('on a kernel before UDP segmentation does without that', async () => {
    let first = true;
    kernel.onOpen = (tap) => {
      const { ioctl } = tap;
      tap.ioctl = (name, argument) => {
        const result = ioctl.call(tap, name, argument);
        if (name === 'TUNSETOFFLOAD' && first) {
          first = false;
          throw hostError('EINVAL');
        }
        return result;
      };
    };
    const netdev = await create(NO_SCRIPTS);
    expect(kernel.taps[0]?.ioctls.filter((call) => call.startsWith('TUNSETOFFLOAD'))).toEqual([
      'TUNSETOFFLOAD 111',
      'TUNSETOFFLOAD 15',
    ]);
    expect(netdev.offloads).toBe(7);
  });

  it('opens every queue by the name that the first one got', async () => {
    const netdev = await create({ ...NO_SCRIPTS, ifname: 'q%d', queues: 3 });
    expect(kernel.taps.map(({ name, flags }) => `${name} ${flags & 0x100}`)).toEqual(['q0 256', 'q0 256', 'q0 256']);
    await netdev.close();
    expect(allClosed()).toBe(true);
  });

  it('says what the kernel lacks, and closes what it opened', async () => {
    kernel.features = 0x1003;
    const texts = [await refused({ ...NO_SCRIPTS, vnet_hdr: true }), await refused({ ...NO_SCRIPTS, queues: 2 })].map(
      ({ message }) => message,
    );
    expect(texts).toEqual([
      'vnet_hdr=1 requested, but no kernel support for IFF_VNET_HDR available',
      'multiqueue required, but no kernel support for IFF_MULTI_QUEUE available',
    ]);
    expect(allClosed()).toBe(true);
    expect((await create(NO_SCRIPTS)).offloads).toBe(0);
  });

  it.each([
    ['ENOENT', 'could not open /dev/net/tun: No such file or directory', 'modprobe tun'],
    ['EACCES', 'could not open /dev/net/tun: Permission denied', 'netyard doctor'],
  ])('without the device: %s', async (code, text, hint) => {
    kernel.missing.set('/dev/net/tun', code);
    const error = await refused(NO_SCRIPTS);
    expect(error.message).toBe(text);
    expect(error.hint).toContain(hint);
  });

  it.each([
    ['lo', 'EINVAL', 'could not configure /dev/net/tun (lo): Invalid argument'],
    ['pp0', 'EBUSY', 'could not configure /dev/net/tun (pp0): Device or resource busy'],
    [undefined, 'EPERM', 'could not configure /dev/net/tun: Operation not permitted'],
  ])('an interface that cannot be had: %s %s', async (ifname, code, text) => {
    kernel.onOpen = (tap) => tap.failing.set('TUNSETIFF', code);
    const error = await refused({ ...NO_SCRIPTS, ifname });
    expect(error.message).toBe(text);
    expect(error.hint).toBeDefined();
    expect(allClosed()).toBe(true);
  });

  it('a name that no interface can have', async () => {
    expect((await refused({ ...NO_SCRIPTS, ifname: 'a-name-of-16-byt' })).message).toContain('longer than 15 bytes');
    expect(allClosed()).toBe(true);
  });

  it('takes the device node of a macvtap of that name', async () => {
    const paths: string[] = [];
    kernel.interfaces.set('mv0', 7);
    kernel.open = (path) => {
      paths.push(path);
      return kernel.make();
    };
    await create({ ...NO_SCRIPTS, ifname: 'mv0' });
    expect(paths).toEqual(['/dev/tap7']);
  });

  it('bounds the send buffer', async () => {
    await create({ ...NO_SCRIPTS, sndbuf: 1_048_576 });
    await create({ ...NO_SCRIPTS, sndbuf: 17_179_869_184n });
    expect(kernel.taps.map(({ ioctls }) => ioctls.at(-1))).toEqual(['TUNSETSNDBUF 1048576', 'TUNSETSNDBUF 2147483647']);
    kernel.onOpen = (tap) => tap.failing.set('TUNSETSNDBUF', 'EINVAL');
    expect((await refused({ ...NO_SCRIPTS, sndbuf: 1 })).message).toBe('TUNSETSNDBUF ioctl failed: Invalid argument');
    expect(kernel.taps.at(-1)?.isClosed).toBe(true);
    await create(NO_SCRIPTS);
  });
});

describe('vhost', () => {
  it.each<NetdevTapOptions>([{ vhost: true }, { vhostforce: true }, { vhostfd: '9' }])('%j', async (options) => {
    const error = await refused({ ...NO_SCRIPTS, ...options });
    expect(error.message).toBe('tap: open vhost char device failed: No such file or directory');
    expect(error.hint).toContain('leave vhost= away');
    expect(allClosed()).toBe(true);
  });

  it('a device that is there does not help', async () => {
    kernel.missing.delete('/dev/vhost-net');
    kernel.open = () => kernel.make();
    const error = await refused({ ...NO_SCRIPTS, vhost: true });
    expect(error.message).toBe('vhost-net requested but could not be initialized');
    expect(allClosed()).toBe(true);
  });

  it.each<NetdevTapOptions>([{ vhost: false }, { vhost: false, vhostforce: true }, { 'poll-us': 50 }])(
    'does not mind %j',
    async (options) => {
      await create({ ...NO_SCRIPTS, ...options });
    },
  );
});

describe('scripts', () => {
  it('run as QEMU runs them: up once, down while the interface is still there', async () => {
    const netdev = await create({ ifname: 'ny0', queues: 2, downscript: '/down' });
    expect(kernel.programs).toEqual(['/etc/qemu-ifup ny0 (1)']);
    expect(netdev.info()).toBe('ifname=ny0,script=/etc/qemu-ifup,downscript=/down');
    let openAtDown = false;
    kernel.onRun = async () => {
      openAtDown = !allClosed();
      return { status: 256 };
    };
    await netdev.close();
    expect(kernel.programs[1]).toBe('/down ny0 (1)');
    expect([openAtDown, allClosed()]).toEqual([true, true]);
  });

  it.each([
    ['exit 3', async () => ({ status: 768 }), 768, 'it ended with status 3;'],
    ['a signal', async () => ({ status: 9 }), 9, 'it was killed by signal 9;'],
    ['a signal with a core', async () => ({ status: 0x8b }), 0x8b, 'it was killed by signal 11;'],
    ['no such file', () => Promise.reject(hostError('ENOENT')), 256, '/p/up.sh: '],
  ])('that fail stop the start: %s', async (_name, onRun, status, how) => {
    kernel.onRun = onRun;
    const error = await refused({ script: '/p/up.sh' });
    expect(error.message).toBe(`network script /p/up.sh failed with status ${status}`);
    expect(error.hint).toContain(how);
    expect(error.hint).toContain('script=no');
    expect(allClosed()).toBe(true);
    expect(kernel.programs).toHaveLength(1);
  });

  it('a netdev deleted while its script runs leaves nothing', async () => {
    kernel.onRun = async () => {
      context.abort();
      return { status: 0 };
    };
    await expect(create({ downscript: 'no' })).rejects.toThrow();
    expect(allClosed()).toBe(true);
  });
});

describe('passed descriptors', () => {
  it('by number and by name', async () => {
    const [a, b] = [kernel.make(VNET, 'x'), kernel.make(PLAIN, 'y')];
    passed.set('mine', b.number);
    const [byNumber, byName] = [await create({ fd: String(a.number) }), await create({ fd: 'mine' })];
    expect([byNumber.info(), byName.info()]).toEqual([`fd=${a.number}`, 'fd=mine']);
    expect([byNumber.offloads, byName.offloads]).toEqual([15, 0]);
    await Promise.all([byNumber.close(), byName.close()]);
    expect(allClosed()).toBe(true);
  });

  it('that are none are refused; a number stays open, what was sent to us does not', async () => {
    expect((await refused({ fd: '99' })).message).toBe("t0: Can't use file descriptor 99: Bad file descriptor");
    kernel.onOpen = (tap) => tap.failing.set('TUNGETIFF', 'ENOTTY');
    const [a, b] = [kernel.make(), kernel.make()];
    passed.set('mine', b.number);
    const texts = [await refused({ fd: String(a.number) }), await refused({ fd: 'mine' })].map((e) => e.message);
    expect(texts).toEqual([
      `Unable to query TUNGETIFF on FD ${a.number}: Inappropriate ioctl for device`,
      `Unable to query TUNGETIFF on FD ${b.number}: Inappropriate ioctl for device`,
    ]);
    expect([a.isClosed, b.isClosed]).toEqual([false, true]);
    const discarded: number[] = [];
    context.host.sockets.closeDescriptor = (number) => discarded.push(number);
    passed.set('other', 98);
    for (const fd of ['other', '97']) await refused({ fd });
    expect(discarded).toEqual([98]);
  });

  it('several that differ, and a tun device', async () => {
    const [a, b, tun] = [kernel.make(VNET), kernel.make(PLAIN), kernel.make(0x1001)];
    expect((await refused({ fds: `${a.number}:${b.number}` })).message).toBe(
      'vnet_hdr not consistent across given tap fds',
    );
    expect((await refused({ fd: String(tun.number) })).message).toContain('is a tun device, not a tap');
  });

  it('several of one tap', async () => {
    const [a, b] = [kernel.make(VNET | 0x100), kernel.make(VNET | 0x100)];
    const netdev = await create({ fds: `${a.number}:${b.number}` });
    expect([netdev.info(), netdev.offloads]).toEqual([`fd=${a.number}`, 15]);
  });
});

describe('helper', () => {
  it('gets the bridge and the socket', async () => {
    kernel.onHelper = async () => kernel.make(VNET, 'tap7');
    const netdev = await create({ helper: '/h/help', br: 'br1' });
    expect(kernel.programs).toEqual(['/h/help --use-vnet --fd=3 --br=br1']);
    expect([netdev.info(), netdev.offloads]).toEqual(['helper=/h/help', 15]);
  });

  it('with blanks is a line for the shell', async () => {
    kernel.onHelper = async () => kernel.make(VNET);
    await create({ helper: 'sudo /h', br: 'br1' });
    await create({ helper: '/h --br=own', br: 'br1' });
    expect(kernel.programs).toEqual([
      '/bin/sh -c sudo /h --use-vnet --fd=3 --br=br1',
      '/bin/sh -c /h --br=own --use-vnet --fd=3',
    ]);
  });

  it('that fails, or sends something else', async () => {
    expect(await refused({ helper: '/h' })).toMatchObject({
      message: 'bridge helper failed',
      hint: expect.stringContaining('/h: No such file or directory'),
    });
    kernel.onHelper = async () => {
      const sent = kernel.make();
      sent.failing.set('TUNGETIFF', 'ENOTTY');
      return sent;
    };
    expect((await refused({ helper: '/h' })).message).toContain('Unable to query TUNGETIFF');
    expect(allClosed()).toBe(true);
  });
});
