/**
 * The package as a user gets it: packed from a copy of the sources, installed into an empty project without scripts and
 * development dependencies, started, imported, type-checked, bundled, and run in Chromium.
 */
import { execFile } from 'node:child_process';
import {
  cpSync,
  existsSync,
  mkdirSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  rmSync,
  symlinkSync,
  writeFileSync,
} from 'node:fs';
import { createServer } from 'node:http';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { promisify } from 'node:util';
import { chromium } from 'playwright';
import ts from 'typescript';
import { build } from 'vite';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { startDaemon } from '../kit/guest/daemon.ts';

const run = promisify(execFile);
const root = new URL('../..', import.meta.url).pathname;
const fixtures = new URL('fixtures', import.meta.url).pathname;
const CHROMIUM = '/usr/bin/chromium';

let folder = '';
let consumer = '';
let shipped: string[] = [];

/** The names that a program which type-checks may use as values. */
function promisedValues(name: string): string[] {
  const options: ts.CompilerOptions = {
    module: ts.ModuleKind.NodeNext,
    moduleResolution: ts.ModuleResolutionKind.NodeNext,
    lib: ['lib.es2023.d.ts', 'lib.esnext.disposable.d.ts', 'lib.dom.d.ts'],
    types: [],
    noEmit: true,
  };
  const file = join(consumer, 'promised.ts');
  const compile = (source: string): ts.Program => {
    writeFileSync(file, source);
    return ts.createProgram([file], options);
  };
  const program = compile(`import * as all from '${name}';\nexport { all };\n`);
  const statement = program.getSourceFile(file)!.statements[0] as ts.ImportDeclaration;
  const checker = program.getTypeChecker();
  const module = checker.getSymbolAtLocation(statement.moduleSpecifier)!;
  const names = checker.getExportsOfModule(module).map((symbol) => symbol.name);
  const uses = compile(`import * as all from '${name}';\n${names.map((one) => `all.${one};\n`).join('')}`);
  const lines = new Set<number>();
  for (const { start } of uses.getSemanticDiagnostics(uses.getSourceFile(file))) {
    lines.add(uses.getSourceFile(file)!.getLineAndCharacterOfPosition(start ?? 0).line);
  }
  return names.filter((_, index) => !lines.has(index + 1));
}

beforeAll(async () => {
  folder = mkdtempSync(join(tmpdir(), 'netyard-package-'));
  const sources = join(folder, 'sources');
  const manifest = JSON.parse(readFileSync(join(root, 'package.json'), 'utf8')) as { files: string[] };
  const inputs = ['package.json', 'src', 'tsconfig.base.json', 'tsconfig.build.json', 'native', 'tools'];
  for (const path of [...inputs, ...manifest.files]) {
    if (/^(dist|prebuilds|native\/|!)/.test(path) || !existsSync(join(root, path))) continue;
    cpSync(join(root, path), join(sources, path), { recursive: true });
  }
  rmSync(join(sources, 'native/build'), { recursive: true, force: true });
  symlinkSync(join(root, 'node_modules'), join(sources, 'node_modules'));
  // What an earlier build left behind must not ship.
  mkdirSync(join(sources, 'dist'));
  writeFileSync(join(sources, 'dist/left-over.js'), '');
  await run('npm', ['pack', '--pack-destination', folder], { cwd: sources }).catch((error: { stdout: string }) => {
    throw new Error(`npm pack failed:\n${error.stdout}`, { cause: error });
  });
  const tarball = readdirSync(folder).find((name) => name.endsWith('.tgz')) ?? '';
  shipped = (await run('tar', ['-tzf', join(folder, tarball)])).stdout.trim().split('\n');

  consumer = join(folder, 'consumer');
  mkdirSync(consumer);
  writeFileSync(join(consumer, 'package.json'), JSON.stringify({ name: 'consumer', private: true, type: 'module' }));
  const flags = ['--ignore-scripts', '--omit=dev', '--prefer-offline', '--no-audit', '--no-fund'];
  await run('npm', ['install', ...flags, join(folder, tarball)], { cwd: consumer });
  cpSync(fixtures, consumer, { recursive: true });
});

afterAll(() => rmSync(folder, { recursive: true, force: true }));

describe('the tarball', () => {
  test('carries the build and nothing else', () => {
    expect(shipped).toContain('package/dist/index.js');
    expect(shipped).toContain('package/dist/index.d.ts');
    expect(shipped).toContain('package/dist/program/main.js');
    expect(shipped).toContain('package/LICENSE');
    for (const name of ['linux-x64/glibc', 'linux-x64/musl', 'linux-arm64/glibc']) {
      expect(shipped).toContain(`package/prebuilds/${name}.node`);
    }
    expect(shipped).toContain('package/native/module.c');
    expect(shipped.filter((path) => path.startsWith('package/native/build'))).toEqual([]);
    expect(shipped).not.toContain('package/binding.gyp');
    expect(shipped.filter((path) => /left-over|\.test\.|tsbuildinfo|^package\/(src|tests)\//.test(path))).toEqual([]);
  });

  test('has no install script', () => {
    const { scripts } = JSON.parse(readFileSync(join(consumer, 'node_modules/netyard/package.json'), 'utf8')) as {
      scripts?: Record<string, string>;
    };
    expect(Object.keys(scripts ?? {}).filter((name) => /install/.test(name))).toEqual([]);
  });
});

describe('the installed program', () => {
  test('says its version through npx', async () => {
    const { version } = JSON.parse(readFileSync(join(root, 'package.json'), 'utf8')) as { version: string };
    const { stdout } = await run('npx', ['--no-install', 'netyard', '--version'], { cwd: consumer });
    expect(stdout).toContain(version);
  });

  test('runs the default yard', async () => {
    const runtime = join(folder, 'run');
    mkdirSync(runtime);
    const yard = await startDaemon({
      name: 'installed',
      runtime,
      program: [join(consumer, 'node_modules/.bin/netyard')],
    });
    try {
      expect(await yard.qmp.execute('query-net-clients')).toMatchObject([{ type: 'listener' }, { type: 'user' }]);
      await expect.poll(() => yard.output()).toContain(yard.guestSocket);
    } finally {
      expect(await yard.end('SIGINT')).toBe(0);
    }
    expect(existsSync(join(runtime, 'netyard', 'installed'))).toBe(false);
  });
});

describe('every subpath', () => {
  test.each(['netyard', 'netyard/qmp', 'netyard/browser', 'netyard/package.json'])(
    '%s is imported by Node',
    async (name) => {
      const attributes = name.endsWith('.json') ? ", { with: { type: 'json' } }" : '';
      const script = `console.log(Object.keys(await import(${JSON.stringify(name)}${attributes})).length)`;
      const { stdout } = await run(process.execPath, ['--input-type=module', '-e', script], { cwd: consumer });
      expect(Number(stdout)).toBeGreaterThan(0);
    },
  );

  test.each(['netyard', 'netyard/qmp', 'netyard/browser'])(
    '%s exports at run time every value that its types promise',
    async (name) => {
      const promised = promisedValues(name);
      expect(promised.length).toBeGreaterThan(3);
      const { exports } = JSON.parse(readFileSync(join(consumer, 'node_modules/netyard/package.json'), 'utf8')) as {
        exports: Record<string, Record<string, string>>;
      };
      const { types, ...targets } = exports[name.replace('netyard', '.')]!;
      expect(types).toMatch(/\.d\.ts$/);
      // As Node resolves the name, and the file that a bundler takes.
      for (const specifier of [name, ...Object.values(targets)]) {
        const path = specifier === name ? name : join(consumer, 'node_modules/netyard', specifier);
        const script = `import { ${promised.join(', ')} } from ${JSON.stringify(path)}`;
        await run(process.execPath, ['--input-type=module', '-e', script], { cwd: consumer });
      }
    },
  );

  test('netyard exports what its interfaces speak of', () => {
    expect(promisedValues('netyard')).toEqual(
      expect.arrayContaining(['TAKEN', 'BUSY', 'DROPPED', 'Frame', 'QmpError', 'QmpSessionError', 'createYard']),
    );
  });

  test.each([
    ['nodenext', 'nodenext'],
    ['esnext', 'bundler'],
  ])('type-checks with module %s, resolution %s', async (module, moduleResolution) => {
    const compilerOptions = {
      module,
      moduleResolution,
      target: 'es2022',
      lib: ['es2023', 'esnext.disposable', 'dom'],
      // Our own declarations are checked too, and need no @types of anybody.
      types: [],
      skipLibCheck: false,
      strict: true,
      exactOptionalPropertyTypes: true,
      noEmit: true,
    };
    const settings = join(consumer, `tsconfig.${moduleResolution}.json`);
    writeFileSync(settings, JSON.stringify({ compilerOptions, files: ['consumer.ts'] }));
    const tsc = join(root, 'node_modules/.bin/tsc');
    const { stdout } = await run(tsc, ['-p', settings, '--pretty', 'false'], { cwd: consumer }).catch(
      (error: { stdout: string }) => error,
    );
    expect(stdout).toBe('');
  });
});

describe('bundled for a page', () => {
  const bundle = async (input: string, write: boolean): Promise<string> => {
    const result = await build({
      root: consumer,
      configFile: false,
      logLevel: 'silent',
      build: { write, outDir: 'page', rollupOptions: { input: join(consumer, input) } },
    });
    const outputs = Array.isArray(result) ? result : [result];
    return outputs
      .flatMap((part) => ('output' in part ? part.output : []))
      .map((part) => ('code' in part ? part.code : ''))
      .join('\n');
  };

  test.each([
    ['netyard/qmp', 'qmp-page.js'],
    ['netyard/browser', 'page.js'],
  ])('%s holds nothing of Node', async (_, input) => {
    const code = await bundle(input, false);
    expect(code.length).toBeGreaterThan(1000);
    expect(code).not.toMatch(/node:|vite-browser-external|\.node['"]|process\.binding/);
  });

  const here = existsSync(CHROMIUM) || process.env['NETYARD_PEERS'] === 'required';
  test.skipIf(!here)(`lets two attached ports take leases in Chromium (${CHROMIUM})`, async () => {
    await bundle('index.html', true);
    const server = createServer((request, response) => {
      const path = join(consumer, 'page', request.url === '/' ? 'index.html' : (request.url ?? ''));
      const known = existsSync(path);
      const type = path.endsWith('.js') ? 'text/javascript' : 'text/html';
      response.writeHead(known ? 200 : 404, { 'content-type': type }).end(known ? readFileSync(path) : '');
    });
    await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
    const address = server.address();
    const port = typeof address === 'object' && address !== null ? address.port : 0;
    const browser = await chromium.launch({
      executablePath: CHROMIUM,
      args: [
        ...['--no-sandbox', '--disable-gpu', '--disable-quic', '--no-first-run', '--disable-sync'],
        ...['--disable-background-networking', '--disable-component-update'],
      ],
    });
    try {
      const page = await browser.newPage();
      const complaints: string[] = [];
      page.on('pageerror', (error) => complaints.push(String(error)));
      await page.goto(`http://127.0.0.1:${port}/`);
      await page.waitForFunction('globalThis.outcome !== undefined', undefined, { timeout: 20_000 });
      expect(await page.evaluate('globalThis.outcome')).toEqual({
        leases: ['10.0.2.15', '10.0.2.16'],
        listed: ['10.0.2.15', '10.0.2.16'],
      });
      expect(complaints).toEqual([]);
    } finally {
      await browser.close();
      await new Promise((resolve) => server.close(resolve));
    }
  });
});
