// expect: biome lint/style/noRestrictedGlobals
// expect: tsc TS2591
export const used = (): unknown => process.pid;
