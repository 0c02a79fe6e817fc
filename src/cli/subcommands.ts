/** `netyard WORD ...`: the commands beside starting a yard. */
import { Command, CommanderError, Option } from 'commander';
import type { Dialect } from '../qapi/front.ts';
import { VERSION } from '../version.ts';
import type { DoctorOptions } from './doctor.ts';
import { helpText } from './help.ts';
import type { GivenOptions } from './netns-options.ts';
import { CommandLineError } from './scan-options.ts';
import type { ToolResult } from './schema-types.ts';

/** Returns the exit status. */
export async function runSubcommand(words: readonly string[]): Promise<number> {
  let status = 0;
  // What follows it is a command of its own, whose options are not ours.
  const dashes = words[0] === 'netns' ? words.indexOf('--') : -1;
  const ours = dashes === -1 ? words : words.slice(0, dashes);
  const report = (result: ToolResult): void => {
    process.stdout.write(result.stdout);
    process.stderr.write(result.stderr);
    status = result.exit;
  };
  const program = new Command('netyard').exitOverride().helpCommand(false);
  program.configureHelp({ showGlobalOptions: false });
  program.configureOutput({ outputError: (text, write) => write(`netyard: ${text.replace(/^error: /, '')}`) });
  program
    .command('qmp')
    .usage('[NAME|SOCKET] [COMMAND [KEY=VALUE]... | COMMAND JSON]')
    .description('send one QMP command and print its result, or open a shell with completion')
    .argument('[words...]')
    .addHelpText('after', QMP_HELP)
    .allowUnknownOption()
    .action(async (given: string[]) => {
      const { qmpCommand } = await import('./qmp-command.ts');
      await qmpCommand(given);
    });
  program
    .command('status')
    .description('ports, links, addresses, leases, counters and forwards of a running yard')
    .argument('[NAME]', 'name of the yard, or its QMP socket', 'default')
    .action(async (name: string) => {
      const { statusText } = await import('./status.ts');
      process.stdout.write(await statusText(name));
    });
  program
    .command('stop')
    .description('end a running yard')
    .argument('[NAME]', 'name of the yard', 'default')
    .action(async (name: string) => {
      const { stopYard } = await import('./stop.ts');
      await stopYard(name);
    });
  program
    .command('doctor')
    .description('which netdevs this host can run, and what is missing for the others')
    .argument('[TYPE...]', 'only these; the exit status is then 1 if one of them cannot run')
    .option('--json', 'the same for programs')
    .option('--build', 'first compile the native layer, into the package or the cache of this user')
    .action(async (types: string[], options: DoctorOptions) => {
      const { doctor } = await import('./doctor.ts');
      status = await doctor(types, options);
    });
  program
    .command('netns')
    .usage('[PID|PATH|NAME] [OPTION]... [-- COMMAND [ARGUMENT]...]')
    .description('a user network for a network namespace: that of a process, one by path or name, or a new one')
    .argument('[TARGET]', 'a process, a path, or a name that `ip netns` knows; without it a new one for COMMAND')
    .option('--mtu <BYTES>', 'MTU of the tap', '65520')
    .option(
      '--publish <SPEC>',
      '[ADDRESS:]HOSTPORT:PORT[/udp], a port of the host that leads inside (repeatable)',
      collect,
      [],
    )
    .option('--host-loopback', "programs inside reach this host's 127.0.0.1 at the gateway's address, 10.0.2.2")
    .option('--deny <WHAT>', "'host': they do not reach its other addresses either", collect, [])
    .option('--net <NETWORK>', 'addresses to use: .2 is the gateway, .3 the name server, .15 the tap', '10.0.2.0/24')
    .option('--tap <NAME>', 'name of the tap', 'tap0')
    .option('--userns <PATH>', 'the user namespace that owns PATH; of a process it is known')
    .option('--ready-fd <N>', 'descriptor that gets a byte when the network is there')
    .addHelpText('after', NETNS_HELP)
    .allowExcessArguments()
    .action(async (target: string | undefined, options: GivenOptions, { args }: Command) => {
      if (args.length > 1)
        throw new CommandLineError(`netns: one namespace, and a command after --: netyard netns -- ${args.join(' ')}`);
      const command = dashes === -1 ? undefined : words.slice(dashes + 1);
      const { runNetns } = await import('./netns.ts');
      status = await runNetns(target, options, command);
    });
  const schema = program.command('schema').description('the QAPI schema compiler');
  schema
    .command('check')
    .description('check a schema; print its introspection as JSON')
    .argument('<FILE>')
    .option('-D <MACRO>', 'a macro that conditions see as defined (repeatable)', collect, [])
    .addOption(dialectOption())
    .action(async (file: string, options: SchemaOptions) => {
      const { schemaCheck } = await import('./schema-check.ts');
      report(await schemaCheck(file, options.D, options.dialect));
    });
  schema
    .command('types')
    .description('print TypeScript types for a schema file, or for what answers at qmp:SOCKET')
    .argument('<SOURCE>', 'FILE or qmp:SOCKET')
    .option('-D <MACRO>', 'a macro that conditions see as defined (repeatable)', collect, [])
    .addOption(dialectOption())
    .action(async (source: string, options: SchemaOptions) => {
      const { schemaTypes } = await import('./schema-types.ts');
      report(await schemaTypes(source, options.D, options.dialect));
    });
  program
    .command('help')
    .description('print help')
    .action(() => {
      process.stdout.write(helpText(VERSION));
    });
  program.showHelpAfterError("see 'netyard --help'");
  for (const command of [...program.commands, ...schema.commands]) {
    const name = command.parent === schema ? `schema ${command.name()}` : command.name();
    command.showHelpAfterError(`see 'netyard ${name} --help'`);
  }
  try {
    await program.parseAsync([...ours], { from: 'user' });
  } catch (error) {
    if (!(error instanceof CommanderError)) throw error;
    return error.exitCode;
  }
  return status;
}

interface SchemaOptions {
  readonly D: string[];
  readonly dialect: Dialect;
}

/** Its values are those of src/qapi, which is not loaded for the other commands. */
const dialectOption = (): Option =>
  new Option('--dialect <RELEASE>', 'the QEMU release whose rules apply: 10.0 for 9.1 to 10.0, 10.2 for 10.2 and later')
    .choices(['7.2', '9.0', '10.0', '10.1', '10.2'] satisfies Dialect[])
    .default('9.0');

const collect = (one: string, others: string[]): string[] => [...others, one];

const QMP_HELP = `
examples:
  netyard qmp query-net-clients
  netyard qmp lab set_link name=l0.0 up=false
  netyard qmp netdev_add type=user id=u1 hostfwd=tcp:127.0.0.1:2222-:22
  netyard qmp netdev_add '{"type": "hubport", "id": "h0", "hubid": 0}'
  netyard qmp /run/qemu.sock query-status
  netyard qmp                             a shell: TAB completes, help explains, quit leaves it
`;

const NETNS_HELP = `
examples:
  netyard netns -- curl https://example.org        a command in a namespace of its own, without root
  netyard netns --publish 127.0.0.1:8080:80 -- ./server
  netyard netns 4711                               the namespace of process 4711
  netyard netns lab --mtu 1500                     the one that 'ip netns add lab' made
It ends with the command, with the namespace, or by a signal. The exit status is that of the command.
`;
