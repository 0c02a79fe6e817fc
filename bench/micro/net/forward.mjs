/** What the core costs per frame: a plain wire, the switch's known unicast, a hub of two, and a queue that fills and drains. */
import { bench, group, run } from 'mitata';
import { FLUSH, Frame, Network } from '../../../src/net/index.ts';

const tasks = new Set();
const host = {
  clock: { now: () => performance.now(), wallMicros: () => Date.now() * 1000 },
  timers: { create: () => ({ set() {}, cancel() {}, deadlineMs: undefined }) },
  loop: { atBatchEnd: (phase, task) => phase !== FLUSH && tasks.add(task), nextTurn: (task) => tasks.add(task) },
  log: { debug() {}, info() {}, warn() {}, error: console.error },
};

function runTasks() {
  for (const task of tasks) {
    tasks.delete(task);
    task.run();
  }
}

class Sink {
  offloads = 0;
  open = true;
  bytes = 0;
  receive(frame) {
    if (!this.open) return false;
    this.bytes += frame.length;
    return true;
  }
  linkChanged() {}
  info() {
    return '';
  }
}

function client(network, name) {
  const endpoint = network.open(name, 'stream', { isNetdev: true });
  const sink = new Sink();
  endpoint.attach(sink);
  return { endpoint, sink };
}

function frameBetween(to, from, length = 1514) {
  const bytes = new Uint8Array(length);
  bytes.set([2, 0, 0, 0, 0, to, 2, 0, 0, 0, 0, from, 8, 0]);
  return new Frame().setPlain(bytes, 0, length);
}

const wire = new Network({ host, switch: false });
const a = client(wire, 'a');
const b = client(wire, 'b');
wire.wire(a.endpoint, b.endpoint);

const bridged = new Network({ host, switch: true });
const ports = Array.from({ length: 8 }, (_, i) => client(bridged, `p${i}`));
for (const [i, port] of ports.entries()) {
  bridged.autoSwitch(port.endpoint);
  port.endpoint.send(frameBetween(0xff, i));
}

const hubbed = new Network({ host, switch: false });
const members = ['x', 'y'].map((name) => {
  const member = client(hubbed, name);
  const port = hubbed.open(`h${name}`, 'hubport', { isNetdev: true });
  port.attach(hubbed.joinHub(port, 0, name));
  return member;
});

const queued = new Network({ host, switch: false });
const from = client(queued, 'from');
const to = client(queued, 'to');
queued.wire(from.endpoint, to.endpoint);

const frame = frameBetween(3, 1);

group('one frame of 1514 bytes', () => {
  bench('noop', () => {});
  bench('plain wire', () => a.endpoint.send(frame));
  bench('switch of 8 ports, known unicast', () => ports[1].endpoint.send(frame));
  bench('hub of 2 ports', () => members[0].endpoint.send(frame));
});

group('64 frames of 1514 bytes through a queue', () => {
  bench('fill and drain', () => {
    to.sink.open = false;
    for (let i = 0; i < 64; i++) from.endpoint.send(frame);
    to.sink.open = true;
    to.endpoint.ready();
    runTasks();
  });
});

await run();
