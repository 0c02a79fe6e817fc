import { describe, expect, it } from 'vitest';
import type { JsonObject, JsonValue } from '../qapi/index.ts';
import { QapiError } from '../qapi/index.ts';
import { MAX_REQUEST_BYTES, QmpServerSession } from './server-session.ts';
import type { QmpCloseReason, QmpServerOptions } from './server-transport.ts';
import { SessionTurns } from './session-turns.ts';
import type { QmpEvent, QmpTarget } from './target.ts';

const encoder = new TextEncoder();
const CAPABILITIES = '{"execute":"qmp_capabilities"}';
const GREETING =
  '{"QMP": {"version": {"qemu": {"micro": 0, "minor": 1, "major": 9}, "package": "netyard 1.2.3"}, "capabilities": ["oob"]}}\r\n';

class FakeTarget implements QmpTarget {
  readonly version = { qemu: { micro: 0, minor: 1, major: 9 }, package: 'netyard 1.2.3' };
  readonly calls: { name: string; args: JsonObject | undefined; monitor: object }[] = [];
  readonly listeners = new Set<(event: QmpEvent) => void>();
  #release: (() => void)[] = [];

  isKnown(name: string): boolean {
    return ['echo', 'block', 'fail', 'crash', 'yank', 'big', 'explain'].includes(name);
  }
  allowsOob(name: string): boolean {
    return name === 'yank';
  }
  subscribe(listener: (event: QmpEvent) => void): () => void {
    this.listeners.add(listener);
    return () => this.listeners.delete(listener);
  }
  emit(event: QmpEvent): void {
    for (const listener of [...this.listeners]) listener(event);
  }
  /** Lets the oldest blocked command finish. */
  release(): void {
    this.#release.shift()?.();
  }
  get blocked(): number {
    return this.#release.length;
  }
  async execute(
    name: string,
    args: JsonObject | undefined,
    context: { monitor: object },
  ): Promise<JsonValue | undefined> {
    this.calls.push({ name, args, monitor: context.monitor });
    switch (name) {
      case 'echo':
        return args ?? null;
      case 'block':
        await new Promise<void>((resolve) => this.#release.push(resolve));
        return undefined;
      case 'fail':
        throw new QapiError("Device 'x' not found", { class: 'DeviceNotFound', hint: 'never shown' });
      case 'explain':
        throw new QapiError('no', { data: { reason: 'why' } });
      case 'big':
        return 'x'.repeat(1000);
      case 'yank':
        return { oob: true };
      default:
        throw new RangeError('a secret path');
    }
  }
}

class FakeWire {
  text = '';
  queuedBytes = 0;
  /** Bytes the peer takes; beyond, they stay queued. */
  stalled = false;
  paused = false;
  closed: 'close' | 'abort' | undefined;
  send(text: string): void {
    if (this.stalled) this.queuedBytes += text.length;
    this.text += text;
  }
  close(): void {
    this.closed = 'close';
  }
  abort(): void {
    this.closed = 'abort';
  }
  waiting: (() => void)[] = [];
  /** SessionTurns follow by themselves unless held; then each look at the clock takes its time. */
  holdTurns = false;
  #now = 0;
  readonly turns = new SessionTurns(
    () => {
      if (this.holdTurns) this.#now += 0.05;
      return this.#now;
    },
    (task) => {
      if (this.holdTurns) this.waiting.push(task);
      else void Promise.resolve().then(task);
    },
  );
  pauseInput(): void {
    this.paused = true;
  }
  resumeInput(): void {
    this.paused = false;
  }
  take(): string[] {
    const lines = this.text.split('\r\n');
    expect(lines.pop()).toBe('');
    this.text = '';
    return lines;
  }
}

/** Lets every promise that can settle do so. */
async function settle(): Promise<void> {
  for (let i = 0; i < 200; i++) await Promise.resolve();
}

async function open(options: QmpServerOptions & { enable?: string } = {}) {
  const target = new FakeTarget();
  const wire = new FakeWire();
  const reasons: QmpCloseReason[] = [];
  const session = new QmpServerSession(target, wire, { ...options, onClosed: (reason) => reasons.push(reason) });
  session.start();
  expect(wire.text).toContain('"QMP"');
  wire.text = '';
  const say = async (text: string): Promise<string[]> => {
    session.receive(encoder.encode(text));
    await settle();
    return wire.take();
  };
  if (options.enable !== undefined) {
    expect(await say(`{"execute":"qmp_capabilities","arguments":{"enable":${options.enable}}}`)).toEqual([
      '{"return": {}}',
    ]);
  }
  return { target, wire, session, say, reasons };
}

const generic = (desc: string): string => `{"error": {"class": "GenericError", "desc": "${desc}"}}`;

describe('negotiation', () => {
  it('greets, and knows one command until it is done', async () => {
    const target = new FakeTarget();
    const wire = new FakeWire();
    const session = new QmpServerSession(target, wire);
    session.start();
    expect(wire.text).toBe(GREETING);
    wire.text = '';
    session.receive(encoder.encode('{"execute":"echo","id":1}{"execute":"nope"}{"exec-oob":"yank"}{"execute":1} foo '));
    await settle();
    expect(wire.take()).toEqual([
      '{"id": 1, "error": {"class": "CommandNotFound", "desc": "Expecting capabilities negotiation with \'qmp_capabilities\'"}}',
      '{"error": {"class": "CommandNotFound", "desc": "Expecting capabilities negotiation with \'qmp_capabilities\'"}}',
      generic("QMP input member 'exec-oob' is unexpected"),
      generic("QMP input member 'execute' must be a string"),
      generic("JSON parse error, invalid keyword 'foo'"),
    ]);
    expect(target.calls).toEqual([]);
  });

  it.each([
    ['["foo"]', "Parameter 'null' does not accept value 'foo'"],
    ['[1]', "Invalid parameter type for 'enable[0]', expected: string"],
    ['"oob"', "Invalid parameter type for 'enable', expected: array"],
    ['[], "x": 1', "Parameter 'x' is unexpected"],
  ])('refuses enable: %s', async (enable, desc) => {
    const { say } = await open();
    expect(await say(`{"execute":"qmp_capabilities","arguments":{"enable":${enable}}}`)).toEqual([generic(desc)]);
    expect(await say(CAPABILITIES)).toEqual(['{"return": {}}']);
  });

  it('refuses a capability that was not offered and a second negotiation', async () => {
    const { say } = await open({ oob: false });
    const enable = '{"execute":"qmp_capabilities","arguments":{"enable":["oob","oob"]}}';
    expect(await say(enable)).toEqual([generic('Capability oob not available')]);
    expect(await say(CAPABILITIES)).toEqual(['{"return": {}}']);
    expect(await say(enable)).toEqual([
      '{"error": {"class": "CommandNotFound", "desc": "Capabilities negotiation is already complete, command ignored"}}',
    ]);
  });
});

describe('requests', () => {
  it.each([
    // Rows of the envelope as QEMU 7.2.22 answers them.
    ['1 ', generic('QMP input must be a JSON object')],
    ['[]', generic('QMP input must be a JSON object')],
    ['1.5 ', generic('QMP input must be a JSON object')],
    ['{}', generic("QMP input lacks member 'execute'")],
    ['{"execute":1}', generic("QMP input member 'execute' must be a string")],
    ['{"execute":"echo","arguments":[]}', generic("QMP input member 'arguments' must be an object")],
    ['{"execute":"echo","arguments":null}', generic("QMP input member 'arguments' must be an object")],
    ['{"execute":"echo","foo":1}', generic("QMP input member 'foo' is unexpected")],
    ['{"execute":1,"foo":2,"arguments":3,"zz":1}', generic("QMP input member 'execute' must be a string")],
    ['{"exec-oob":1,"execute":2}', generic("QMP input member 'exec-oob' is unexpected")],
    [
      '{"execute":"","id":1}',
      '{"id": 1, "error": {"class": "CommandNotFound", "desc": "The command  has not been found"}}',
    ],
    ["{'execute':'echo','arguments':{'a':1.0}}", '{"return": {"a": 1}}'],
    ['{"id":{"b":[1,null,1.50,true],"a":0},"execute":"block"}', undefined],
    ['{"execute":"echo","id":null}', '{"return": null, "id": null}'],
    [
      '{"execute":"fail","id":"é"}',
      '{"id": "\\u00E9", "error": {"class": "DeviceNotFound", "desc": "Device \'x\' not found"}}',
    ],
    ['{"execute":"explain"}', '{"error": {"class": "GenericError", "desc": "no", "data": {"reason": "why"}}}'],
  ])('answers %s', async (request, reply) => {
    const { say } = await open({ enable: '[]' });
    expect(await say(request)).toEqual(reply === undefined ? [] : [reply]);
  });

  it("judges members in the order of QEMU's table with oob", async () => {
    const { say } = await open({ enable: '["oob"]' });
    expect(await say('{"execute":"echo","exec-oob":"yank"}')).toEqual([
      generic("QMP input member 'execute' clashes with 'exec-oob'"),
    ]);
    expect(await say('{"execute":1,"exec-oob":2}')).toEqual([generic("QMP input member 'exec-oob' must be a string")]);
    expect(await say('{"exec-oob":"echo","id":3}')).toEqual([
      '{"id": 3, "error": {"class": "GenericError", "desc": "The command echo does not support OOB"}}',
    ]);
  });

  it('hides defects from the client and reports them', async () => {
    const defects: string[] = [];
    const { say } = await open({ enable: '[]', onDefect: (command, error) => defects.push(`${command}: ${error}`) });
    expect(await say('{"execute":"crash"}')).toEqual([generic('Internal error')]);
    expect(defects).toEqual(['crash: RangeError: a secret path']);
  });

  it('gives every command of a session the same monitor, and each session its own', async () => {
    const a = await open({ enable: '[]' });
    const b = await open({ enable: '[]' });
    await a.say('{"execute":"echo"}{"execute":"echo"}');
    await b.say('{"execute":"echo"}');
    expect(a.target.calls[0]?.monitor).toBe(a.target.calls[1]?.monitor);
    expect(a.target.calls[0]?.monitor).not.toBe(b.target.calls[0]?.monitor);
  });

  it('writes pretty replies with CR LF at every line end', async () => {
    const { session, wire } = await open({ pretty: true });
    session.receive(encoder.encode('{"execute":"qmp_capabilities","id":[]}'));
    await settle();
    expect(wire.text).toBe('{\r\n    "return": {\r\n    },\r\n    "id": [\r\n    ]\r\n}\r\n');
  });
});

describe('order and back-pressure', () => {
  it('runs one request at a time without oob and reads no further meanwhile', async () => {
    const { say, target, wire } = await open({ enable: '[]' });
    expect(
      await say('{"execute":"block","id":1}{"execute":"echo","id":2} @ {"execute":"block","id":3}{"execute":"echo"'),
    ).toEqual([]);
    expect(target.calls.map((call) => call.name)).toEqual(['block']);
    expect(wire.paused).toBe(true);
    expect(await say(',"id":4}')).toEqual([]);
    target.release();
    await settle();
    expect(wire.take()).toEqual([
      '{"return": {}, "id": 1}',
      '{"return": null, "id": 2}',
      generic("JSON parse error, stray '@'"),
    ]);
    target.release();
    await settle();
    expect(wire.take()).toEqual(['{"return": {}, "id": 3}', '{"return": null, "id": 4}']);
    expect(wire.paused).toBe(false);
  });

  it('queues eight requests with oob, lets out-of-band ones overtake, then stops reading', async () => {
    const { say, target, wire } = await open({ enable: '["oob"]' });
    const nine = Array.from({ length: 9 }, (_, i) => `{"execute":"echo","id":${i}}`).join('');
    expect(await say(`{"execute":"block"}${nine}`)).toEqual([]);
    expect(wire.paused).toBe(true);
    target.release();
    await settle();
    expect(wire.take()).toHaveLength(10);
    expect(wire.paused).toBe(false);
    expect(await say('{"execute":"block"}{"execute":"echo","id":1}{"exec-oob":"yank","id":2}')).toEqual([
      '{"return": {"oob": true}, "id": 2}',
    ]);
    target.release();
    await settle();
    expect(wire.take()).toEqual(['{"return": {}}', '{"return": null, "id": 1}']);
  });

  it('starts nothing while the client does not read its answers', async () => {
    const { say, target, wire, session } = await open({ enable: '[]', outputHighWater: 1500 });
    wire.stalled = true;
    await say('{"execute":"big"}'.repeat(10));
    expect(target.calls).toHaveLength(2);
    expect(wire.paused).toBe(true);
    wire.stalled = false;
    wire.queuedBytes = 0;
    session.drained();
    await settle();
    expect(target.calls).toHaveLength(10);
    expect(wire.paused).toBe(false);
  });

  it('runs many requests and errors in turns of the loop', async () => {
    for (const enable of ['[]', '["oob"]']) {
      const { say, wire } = await open({ enable });
      wire.holdTurns = true;
      let answers = (await say('{"execute":"echo"}'.repeat(50) + '@,'.repeat(100) + '{"exec-oob":"yank"}'.repeat(50)))
        .length;
      expect(answers).toBeLessThan(40);
      expect(wire.paused).toBe(true);
      for (let turn = 0; wire.waiting.length > 0; turn++) {
        expect(turn).toBeLessThan(200);
        expect(wire.waiting).toHaveLength(1);
        wire.waiting.shift()?.();
        await settle();
        const more = wire.take().length;
        expect(more).toBeLessThan(41);
        answers += more;
      }
      expect(answers).toBe(300);
      expect(wire.paused).toBe(false);
    }
  });

  it('reads no further while a request waits for its turn: what comes next may replace its descriptor', async () => {
    for (const enable of ['[]', '["oob"]']) {
      const { say, wire } = await open({ enable });
      wire.holdTurns = true;
      for (let i = 0; (await say('{"execute":"echo"}')).length > 0; i++) {
        expect(i).toBeLessThan(100);
        expect(wire.paused).toBe(false);
      }
      expect(wire.paused).toBe(true);
    }
  });

  it('reads a long request in pieces, in turns of the loop', async () => {
    const { say, wire } = await open({ enable: '[]' });
    wire.holdTurns = true;
    const text = '\\n'.repeat(200_000);
    expect(await say(`{"execute":"echo","arguments":{"text":"${text}"}}`)).toEqual([]);
    let turns = 0;
    for (; wire.text === '' && turns < 1000; turns++) {
      wire.waiting.shift()?.();
      await settle();
    }
    expect(turns).toBeGreaterThan(1);
    expect(wire.take()[0]).toHaveLength(`{"return": {"text": "${text}"}}`.length);
  });

  it('a request beyond the cap is refused while it is read, and the session goes on', async () => {
    const { say, target } = await open({ enable: '[]' });
    for (let sent = 0; sent <= MAX_REQUEST_BYTES; sent += 65_536) {
      const answers = await say(sent === 0 ? `{"execute":"${'x'.repeat(65_525)}` : 'x'.repeat(65_536));
      if (sent === MAX_REQUEST_BYTES) {
        expect(answers).toEqual(['{"error": {"class": "GenericError", "desc": "JSON token size limit exceeded"}}']);
      }
    }
    // What is left of it is no JSON.
    expect((await say('\n{"execute":"echo"}')).at(-1)).toBe('{"return": null}');
    expect(target.calls).toHaveLength(1);
  });

  it('disconnects a client that lets events pile up, and only that one', async () => {
    const { target, wire, reasons } = await open({ enable: '[]', outputLimit: 1000 });
    const other: QmpEvent[] = [];
    target.subscribe((event) => other.push(event));
    wire.stalled = true;
    for (let i = 0; i < 100; i++) target.emit({ event: 'E', timestamp: { seconds: 1, microseconds: i } });
    expect(wire.closed).toBe('abort');
    expect(reasons).toEqual(['overflow']);
    expect(wire.queuedBytes).toBeLessThan(1200);
    expect(other).toHaveLength(100);
    expect(target.listeners.size).toBe(1);
  });

  it('answers all that came before a half-close, then closes', async () => {
    const { session, target, wire, reasons } = await open({ enable: '[]' });
    session.receive(encoder.encode('{"execute":"block"}{"execute":"echo"}{"execute":"ec'));
    session.end();
    await settle();
    expect(wire.closed).toBeUndefined();
    target.release();
    await settle();
    expect(wire.take()).toEqual(['{"return": {}}', '{"return": null}']);
    expect(wire.closed).toBe('close');
    expect(reasons).toEqual(['ended']);
  });

  it('answers the running command on shutdown, with its events, and drops the rest', async () => {
    const { session, target, wire, reasons } = await open({ enable: '["oob"]' });
    session.receive(encoder.encode('{"execute":"block"}{"execute":"echo"}{"execute":"ec'));
    session.shutdown();
    target.emit({ event: 'SHUTDOWN', timestamp: { seconds: 1, microseconds: 2 } });
    target.release();
    await settle();
    expect(wire.take()).toEqual([
      '{"timestamp": {"seconds": 1, "microseconds": 2}, "event": "SHUTDOWN"}',
      '{"return": {}}',
    ]);
    expect(reasons).toEqual(['ended']);
    expect(target.calls).toHaveLength(1);
  });

  it('drops queued requests and a late answer when the client is gone', async () => {
    const { session, target, wire, reasons } = await open({ enable: '["oob"]' });
    session.receive(encoder.encode('{"execute":"block"}{"execute":"echo"}'));
    session.dispose();
    target.release();
    await settle();
    expect(wire.text).toBe('');
    expect(target.calls).toHaveLength(1);
    expect(target.listeners.size).toBe(0);
    expect(reasons).toEqual(['disposed']);
    session.receive(encoder.encode('{"execute":"echo"}'));
    await settle();
    expect(target.calls).toHaveLength(1);
  });
});

describe('events', () => {
  it("come only after the negotiation, in QEMU's form", async () => {
    const { target, say, wire } = await open();
    target.emit({ event: 'EARLY', timestamp: { seconds: 1, microseconds: 2 } });
    expect(await say(CAPABILITIES)).toEqual(['{"return": {}}']);
    target.emit({ event: 'RESUME', timestamp: { seconds: 1795403690, microseconds: 256354 } });
    target.emit({ event: 'X', data: { 'netdev-id': 's' }, timestamp: { seconds: 1, microseconds: 2 } });
    expect(wire.take()).toEqual([
      '{"timestamp": {"seconds": 1795403690, "microseconds": 256354}, "event": "RESUME"}',
      '{"timestamp": {"seconds": 1, "microseconds": 2}, "event": "X", "data": {"netdev-id": "s"}}',
    ]);
  });
});
