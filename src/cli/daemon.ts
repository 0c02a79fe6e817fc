/** A yard as a program: from the command line to the end by signal, `quit` or `netyard stop`. */
import { asksForChardevHelp, chardevHelp, type QmpMonitor } from '../monitor/index.ts';
import type { NetClient } from '../net/index.ts';
import { nativeDrivers, portableDrivers } from '../netdevs/index.ts';
import { createNodeHost, diagnosticsTrace } from '../node/index.ts';
import { VERSION } from '../version.ts';
import { netdevHelp, Yard } from '../yard/index.ts';
import { banner } from './banner.ts';
import { type Claim, claimName, NameTakenError } from './claim.ts';
import { createLog } from './log.ts';
import { isWaitedFor, monitorDescriptors, readMonitors } from './monitor-requests.ts';
import { startMonitors } from './monitors.ts';
import { asksForHelp } from './netdev-arguments.ts';
import { addNetdevs, isDoorless, namedDescriptors, peerlessWarnings, readNetdevs } from './netdevs.ts';
import { complain, leaveTo, print } from './output.ts';
import { argumentsOf, commandLine, doorOption, makePlan, type Plan } from './plan.ts';
import { findQemu } from './qemu-arguments.ts';
import { makeRuntimeDirectory } from './runtime-directory.ts';
import { CommandLineError, scanOptions } from './scan-options.ts';
import { stateDirectory } from './state-directory.ts';

const MAX_TIMER_MS = 2 ** 31 - 1;

/**
 * Returns the exit status once the yard has ended.
 * @param warning about the process, for its user
 */
export async function runYard(argv: readonly string[], warning: string | undefined): Promise<number> {
  const scanned = scanOptions(argv);
  if (scanned.some((option) => option.name === 'version')) {
    process.stdout.write(`netyard ${VERSION}\n`);
    return 0;
  }
  if (scanned.some((option) => option.name === 'help')) {
    const { helpText } = await import('./help.ts');
    process.stdout.write(helpText(VERSION));
    return 0;
  }
  if (scanned.some((option) => option.name === 'chardev' && asksForChardevHelp(option.argument!))) {
    process.stdout.write(`${chardevHelp().join('\n')}\n`);
    return 0;
  }
  const plan = makePlan(scanned);
  return serve(plan, stateDirectory(plan, scanned), warning);
}

async function serve(plan: Plan, state: string | undefined, warning: string | undefined): Promise<number> {
  const log = createLog();
  const host = createNodeHost({ log });
  const yard = new Yard(
    { host, drivers: { ...portableDrivers, ...nativeDrivers }, version: VERSION, trace: diagnosticsTrace },
    { name: plan.name, switch: plan.useSwitch, stateDirectory: state },
  );
  const monitors: QmpMonitor[] = [];
  const ended = untilEnd(yard);
  let claim: Claim | undefined;
  try {
    const texts = argumentsOf(plan, 'netdev');
    if (texts.some(asksForHelp)) {
      process.stdout.write(`${netdevHelp(yard).join('\n')}\n`);
      return 0;
    }
    const requests = await readMonitors(plan.options);
    leaveTo([...monitorDescriptors(requests), ...namedDescriptors(yard, texts)]);
    if (warning !== undefined) complain(`warning: ${warning}`);
    // A mistake in an option is told first: that the name is taken says nothing of it.
    const netdevs = await readNetdevs(yard, texts, complain);
    claim = plan.name === undefined ? undefined : await takeName(plan.name);
    let begin = (): void => {};
    const settings = {
      log: host.log,
      signal: ended.signal,
      onWaiting: (address: string) => complain(`QMP waits for its first client on: ${address}`),
      ready: new Promise<void>((resolve) => {
        begin = resolve;
      }),
    };
    // Those with wait=on first: until they have a client there is no wire. Clients are greeted when all is there.
    await startMonitors(requests.filter(isWaitedFor), yard, monitors, settings);
    await addNetdevs(yard, netdevs);
    const others = requests.filter((request) => !isWaitedFor(request));
    await startMonitors(others, yard, monitors, settings);
    begin();
    if (!plan.useSwitch) for (const warning of peerlessWarnings(yard)) complain(`warning: ${warning}`);
    else if (isDoorless(netdevs)) complain(`no guest can join this yard: add ${doorOption(plan.name)}`);
    // `-qmp stdio` owns stdout: a banner there would not be QMP.
    if (!monitors.some((monitor) => monitor.usesStdio)) await printBanner(plan, yard, monitors, ended);
    await ended.promise;
    return 0;
  } catch (error) {
    if (ended.happened) return 0;
    throw error;
  } finally {
    ended.forget();
    await Promise.all(monitors.map((monitor) => monitor.close()));
    await yard.close();
    await host.close();
    log.sumUp();
    claim?.release();
  }
}

async function takeName(name: string): Promise<Claim> {
  try {
    return await claimName(() => makeRuntimeDirectory(name));
  } catch (error) {
    if (!(error instanceof NameTakenError)) throw error;
    throw new CommandLineError(
      `a yard named '${name}' is running, pid ${error.pid}: stop it with 'netyard stop ${name}', or start another with -name NAME`,
      { cause: error },
    );
  }
}

interface End {
  readonly promise: Promise<void>;
  readonly happened: boolean;
  /** Aborted at the end: for what waits during the start. */
  readonly signal: AbortSignal;
  forget(): void;
}

/**
 * Resolves on SIGINT, SIGTERM, SIGHUP or `quit`, and says which. A second signal ends the process at once. Until then the
 * process lives, whatever its wires do: with none that waits for something, Node would take it for finished.
 */
function untilEnd(yard: Yard): End {
  const aborter = new AbortController();
  let happened = false;
  let resolve = (): void => {};
  const alive = setInterval(() => {}, MAX_TIMER_MS);
  const promise = new Promise<void>((settle) => {
    resolve = () => {
      happened = true;
      aborter.abort();
      settle();
    };
  });
  const onSignal = (signal: NodeJS.Signals): void => {
    if (happened) {
      complain(`terminating at once on another ${signal}`);
      process.exit(1);
    }
    complain(`terminating on ${signal}`);
    yard.emit('SHUTDOWN', { guest: false, reason: 'host-signal' });
    resolve();
  };
  const signals: NodeJS.Signals[] = ['SIGINT', 'SIGTERM', 'SIGHUP'];
  for (const signal of signals) process.on(signal, onSignal);
  yard.onQuit = () => {
    if (!happened) complain("terminating on the command 'quit'");
    resolve();
  };
  return {
    promise,
    signal: aborter.signal,
    get happened() {
      return happened;
    },
    forget: () => {
      clearInterval(alive);
      for (const signal of signals) process.off(signal, onSignal);
    },
  };
}

async function printBanner(plan: Plan, yard: Yard, monitors: readonly QmpMonitor[], ended: End): Promise<void> {
  // A QEMU that does not answer must not hold up the end.
  const qemu =
    plan.guestSocket === undefined ? undefined : await Promise.race([findQemu(), ended.promise.then(() => undefined)]);
  if (ended.happened) return;
  const facts = {
    version: VERSION,
    program: process.env['npm_lifecycle_event'] === 'start' ? ('npx netyard' as const) : ('netyard' as const),
    name: plan.name,
    pid: process.pid,
    netdevs: yard.network
      .clients()
      .filter((client) => client.isNetdev)
      .map((client) => ({ id: client.name, type: client.driver, about: describe(client.client) })),
    monitors: monitors.map((monitor) => monitor.address),
    guestSocket: plan.guestSocket,
    commandLine: commandLine(plan),
  };
  print(banner(facts, qemu));
}

function describe(client: NetClient | undefined): string {
  const seen = client?.usernet?.addresses;
  if (seen === undefined) return client?.info() ?? '';
  return `${client!.info()}: guests from ${seen.dhcpStart}, this host is ${seen.host}, name server ${seen.dns}`;
}
