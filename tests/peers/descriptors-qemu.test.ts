/** Descriptors of every kind, passed with getfd to QEMU and to netyard: the same errors, and the same `info network`. */
import { type ChildProcess, spawn } from 'node:child_process';
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, expect, it } from 'vitest';
import { PROGRAM } from '../kit/guest/daemon.ts';
import { describeNative } from '../kit/native.ts';
import { describePeer } from '../kit/peers.ts';

const QEMU = 'qemu-system-x86_64';
const PYTHON = 'python3';

/** Arguments: a monitor. Prints a JSON object: the outcome of each case by its name. */
const ASKER = `
import array, json, os, re, socket, sys, time
qmp = socket.socket(socket.AF_UNIX)
for _ in range(500):
    try:
        qmp.connect(sys.argv[1])
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
        if 'return' in reply or 'error' in reply: return reply
def bound(family, at):
    made = socket.socket(family, socket.SOCK_DGRAM)
    if at is not None: made.bind(at)
    return made
pair = lambda kind: socket.socketpair(type=kind)
datagrams = {
    'udp': lambda: bound(socket.AF_INET, ('127.0.0.1', 0)),
    'udp, not bound': lambda: bound(socket.AF_INET, None),
    'udp over IPv6': lambda: bound(socket.AF_INET6, ('::1', 0)),
    'unix, not bound': lambda: bound(socket.AF_UNIX, None),
    'datagram pair': lambda: pair(socket.SOCK_DGRAM),
}
files = {'file': lambda: open('/dev/null'), 'pipe': lambda: [open(end) for end in os.pipe()]}
kinds = {
    'dgram': {**files, **datagrams},
    'socket': {**files, **datagrams, 'stream pair': lambda: pair(socket.SOCK_STREAM),
               'packet pair': lambda: pair(socket.SOCK_SEQPACKET)},
}
options = {'dgram': {'local': {'type': 'fd', 'str': 'w'}}, 'socket': {'fd': 'w'}}
call('qmp_capabilities')
outcomes = {}
for driver, makers in kinds.items():
    for kind, make in makers.items():
        made = make()
        first = made[0] if isinstance(made, (list, tuple)) else made
        call('getfd', {'fdname': 'w'}, [first.fileno()])
        # QEMU keeps the netdev of some failures: each has an id of its own.
        id = 'n%d' % len(outcomes)
        reply = call('netdev_add', {'type': driver, 'id': id, **options[driver]})
        info = call('human-monitor-command', {'command-line': 'info network'})['return']
        line = [line for line in info.split('\\r\\n') if line.startswith(id + ':')]
        text = reply['error']['desc'] if 'error' in reply else line[0].replace(id, 'ID') if line else 'no line'
        outcomes['%s: %s' % (driver, kind)] = re.sub(r'fd=\\d+', 'fd=N', text)
        call('netdev_del', {'id': id})
        outcomes['%s: %s, again' % (driver, kind)] = call('netdev_add', {'type': driver, 'id': 'x', **options[driver]})['error']['desc']
print(json.dumps(outcomes))
`;

let directory: string;
const children: ChildProcess[] = [];

beforeAll(() => {
  directory = mkdtempSync(join(tmpdir(), 'ny-kinds-'));
});

afterAll(() => {
  for (const child of children) child.kill('SIGKILL');
  rmSync(directory, { recursive: true });
});

/** Starts a program with a monitor, and asks it. */
async function outcomes(name: string, program: string, args: readonly string[]): Promise<Record<string, string>> {
  const monitor = join(directory, name);
  const qmp = ['-qmp', `unix:${monitor},server=on,wait=off`];
  children.push(spawn(program, [...args, '-nodefaults', ...qmp], { stdio: 'ignore' }));
  const asker = spawn(PYTHON, ['-c', ASKER, monitor], { stdio: ['ignore', 'pipe', 'inherit'] });
  children.push(asker);
  let text = '';
  asker.stdout.setEncoding('utf8').on('data', (more: string) => {
    text += more;
  });
  await new Promise((resolve) => asker.once('close', resolve));
  return JSON.parse(text) as Record<string, string>;
}

describePeer('descriptors of every kind', [QEMU, PYTHON], () => {
  describeNative('on the addon', () => {
    it('are taken and refused alike', async () => {
      const theirs = await outcomes('qemu', QEMU, ['-M', 'none', '-display', 'none']);
      const ours = await outcomes('netyard', process.execPath, [PROGRAM]);
      expect(Object.keys(theirs).length).toBe(32);
      expect(theirs['socket: udp']).toBe('ID: index=0,type=socket,socket: fd=N inet');
      expect(ours).toEqual(theirs);
    });
  });
});
