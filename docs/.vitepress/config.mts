import { existsSync, readdirSync } from 'node:fs';
import { defineConfig } from 'vitepress';

/** Pages that tools/schema-pages.ts made from schema/. */
const schemaFolder = new URL('../reference/schema', import.meta.url);
const schemaPages = existsSync(schemaFolder)
  ? readdirSync(schemaFolder)
      .filter((name) => name.endsWith('.md') && name !== 'index.md')
      .map((name) => name.slice(0, -3))
      .sort()
  : [];

export default defineConfig({
  title: 'netyard',
  description: "QEMU's network layer as a system of its own",
  cleanUrls: true,
  lastUpdated: false,
  // Monitor transcripts; tests/peers/docs.test.ts runs them.
  // Without emoji: `(fec0::)` is an address.
  markdown: { languageAlias: { qmp: 'json' }, config: (md) => void md.disable('emoji') },
  srcExclude: ['**/README.md', 'adr/**'],
  themeConfig: {
    search: { provider: 'local' },
    nav: [
      { text: 'Guide', link: '/guide/getting-started' },
      { text: 'Netdevs', link: '/netdevs/user' },
      { text: 'Reference', link: '/reference/cli' },
    ],
    sidebar: [
      {
        text: 'Guide',
        items: [
          { text: 'Getting started', link: '/guide/getting-started' },
          { text: 'Steering with QMP', link: '/guide/qmp' },
          { text: 'The library', link: '/guide/library' },
          { text: 'A network for a namespace', link: '/guide/netns' },
          { text: 'Architecture', link: '/architecture' },
        ],
      },
      {
        text: 'Netdevs',
        items: ['user', 'stream', 'listener', 'socket', 'dgram', 'hubport', 'tap', 'bridge', 'l2tpv3', 'vde'].map(
          (name) => ({
            text: name,
            link: `/netdevs/${name}`,
          }),
        ),
      },
      {
        text: 'Reference',
        items: [
          { text: 'Command line', link: '/reference/cli' },
          { text: 'netyard doctor', link: '/reference/doctor' },
          { text: 'Compatibility with QEMU', link: '/reference/compatibility' },
          { text: 'Limits', link: '/reference/limits' },
          { text: 'Performance', link: '/reference/performance' },
          { text: 'Counters', link: '/reference/counters' },
          { text: 'Errors', link: '/reference/errors' },
        ],
      },
      {
        text: 'Schema',
        items: schemaPages.map((name) => ({ text: name, link: `/reference/schema/${name}` })),
      },
    ],
  },
});
