/** `netyard WORD ...`: the commands beside starting a yard. */
import { Command, CommanderError } from 'commander';
import { VERSION } from '../version.ts';
import { helpText } from './help.ts';
import type { ToolResult } from './schema-types.ts';

/** Returns the exit status. */
export async function runSubcommand(words: readonly string[]): Promise<number> {
  let status = 0;
  const report = (result: ToolResult): void => {
    process.stdout.write(result.stdout);
    process.stderr.write(result.stderr);
    status = result.exit;
  };
  const program = new Command('netyard').exitOverride().helpCommand(false);
  program.configureHelp({ showGlobalOptions: false });
  program.configureOutput({ outputError: (text, write) => write(`netyard: ${text.replace(/^error: /, '')}`) });
  program.showHelpAfterError("see 'netyard --help'");
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
  const schema = program.command('schema').description('the QAPI schema compiler');
  schema
    .command('check')
    .description('check a schema; print its introspection as JSON')
    .argument('<FILE>')
    .option('-D <MACRO>', 'a macro that conditions see as defined (repeatable)', collect, [])
    .action(async (file: string, options: { D: string[] }) => {
      const { schemaCheck } = await import('./schema-check.ts');
      report(await schemaCheck(file, options.D));
    });
  schema
    .command('types')
    .description('print TypeScript types for a schema file, or for what answers at qmp:SOCKET')
    .argument('<SOURCE>', 'FILE or qmp:SOCKET')
    .option('-D <MACRO>', 'a macro that conditions see as defined (repeatable)', collect, [])
    .action(async (source: string, options: { D: string[] }) => {
      const { schemaTypes } = await import('./schema-types.ts');
      report(await schemaTypes(source, options.D));
    });
  program
    .command('help')
    .description('print help')
    .action(() => {
      process.stdout.write(helpText(VERSION));
    });
  try {
    await program.parseAsync([...words], { from: 'user' });
  } catch (error) {
    if (!(error instanceof CommanderError)) throw error;
    return error.exitCode;
  }
  return status;
}

const collect = (macro: string, others: string[]): string[] => [...others, macro];

const QMP_HELP = `
examples:
  netyard qmp query-net-clients
  netyard qmp lab set_link name=l0.0 up=false
  netyard qmp netdev_add type=user id=u1 hostfwd.0.str=tcp:127.0.0.1:2222-:22
  netyard qmp netdev_add '{"type": "hubport", "id": "h0", "hubid": 0}'
  netyard qmp /run/qemu.sock query-status
  netyard qmp                             a shell: TAB completes, events are printed as they come
`;
